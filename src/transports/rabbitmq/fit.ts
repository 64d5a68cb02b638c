/**
 * What travels beside a body, and how it is made to fit. The driver writes headers of 65,536 bytes
 * in all and short texts of 255, and throws where there is more.
 *
 * A key, facts and headers that do not fit are refused before anything is sent. What malote notes
 * of a message never stops it: the oldest lines of its history go first, and a note that is still
 * too long stands behind the body.
 */

import { MaloteError } from '../../errors.ts';
import type { Story } from '../../transport/lane-table.ts';
import type { Outgoing } from '../../transport/transport.ts';
import { workHash } from './names.ts';

const mostBytes = 65_536;
/** The names of all headers, those that are short, and a long id. */
const smallBytes = 4_096;
/** Of the note: failures, and some history. */
const noteBytes = 24_576;
/** Of the key, the facts and the headers that a message has by itself. */
const ownBytes: number = mostBytes - smallBytes - noteBytes;
const longestTextBytes = 255;

/** @throws MaloteError `MESSAGE_TOO_LARGE` where the texts do not fit beside a body */
export function checkFits({ id, topic }: Outgoing, texts: readonly (string | null)[]): void {
  if (fits(texts)) return;
  throw new MaloteError(
    'MESSAGE_TOO_LARGE',
    `key, facts and headers of "${topic}" may have ${ownBytes} bytes together on RabbitMQ, these ` +
      `have ${allBytesOf(texts)}; wait for fewer facts, or move headers into the body`,
    { id },
  );
}

export function fits(texts: readonly (string | null)[]): boolean {
  return allBytesOf(texts) <= ownBytes;
}

function allBytesOf(texts: readonly (string | null)[]): number {
  return texts.reduce((sum, one) => sum + (one === null ? 0 : bytesOf(one)), 0);
}

/** The id itself; of one that is too long its beginning, and a hash of the whole. */
export function shortIdOf(id: string): string {
  return bytesOf(id) <= longestTextBytes ? id : `${id.slice(0, 64)}#${workHash(id).toString(36)}`;
}

/** A note as it is written, without the lines of history that would be too much. */
export function spelledNote(note: object & { readonly story?: Story | null }): string {
  const whole = JSON.stringify(note);
  let excess = bytesOf(whole) - noteBytes;
  const story = note.story ?? null;
  if (excess <= 0 || story === null) return whole;
  let dropped = 0;
  for (const line of story.history) {
    if (excess <= 0) break;
    excess -= bytesOf(JSON.stringify(line)) + 1;
    dropped += 1;
  }
  return JSON.stringify({ ...note, story: { ...story, history: story.history.slice(dropped) } });
}

/** Whether it may stand in a header, whatever else does. */
export function isShortNote(spelled: string): boolean {
  return bytesOf(spelled) <= noteBytes;
}

/** Not counted where there is room for three bytes for each unit, which is the most there are. */
function bytesOf(text: string): number {
  return text.length * 3 <= longestTextBytes ? text.length : Buffer.byteLength(text);
}
