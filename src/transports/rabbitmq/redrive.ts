/**
 * Dead letters go back to the partitions they belong to; with one of a key that is held shut goes
 * all of that key, and a record opens it once they are there.
 */

import { type DeadTraits, isMeant } from '../../transport/dead-filter.ts';
import type { RedriveQuery } from '../../transport/store.ts';
import type { DeadReason, Host } from '../../transport/transport.ts';
import { ackPlace } from './ack-book.ts';
import { isLater, lookAtDead, type Letter, type Looker } from './dead-look.ts';
import { partitionOf, placeIndexOf } from './names.ts';
import type { Sending } from './publisher.ts';
import type { Registered } from './registry.ts';
import { roomFor, type Redriver } from './room.ts';
import { recordOf, sendingOf, type CopyNote, type DeadNote, type Turn } from './wire-format.ts';

/**
 * Answers how many went back. They go a part at a time, so that no more than that is in memory:
 * those that hold no key shut first, then keys, each of them whole.
 */
export async function redrive(
  looker: Redriver,
  all: readonly Registered[],
  query: RedriveQuery,
): Promise<number> {
  let left = 'all' in query ? (query.limit ?? Infinity) : Infinity;
  let count = 0;
  for (const registered of all) {
    if (query.subscription !== null && query.subscription !== registered.name) continue;
    for (let isMore = true; isMore && left > 0; ) {
      const part = await redrivePart(looker, registered, { query, left });
      count += part.count;
      left -= part.count;
      isMore = part.isMore;
    }
  }
  return count;
}

interface Part {
  readonly count: number;
  readonly isMore: boolean;
}

interface Redriving {
  readonly query: RedriveQuery;
  readonly left: number;
}

async function redrivePart(
  looker: Redriver,
  registered: Registered,
  { query, left }: Redriving,
): Promise<Part> {
  const { redriveLetters, redriveBytes } = looker.settings.limits;
  const isWanted = wantedBy(query);
  // How many letters hold each key shut: they all go with one of them.
  const shut = new Map<string, number>();
  const chosen = await lookAtDead(looker, registered, {
    wants(letter) {
      const key = keyShutBy(letter);
      if (key !== null) shut.set(key, (shut.get(key) ?? 0) + 1);
      return isWanted(letter);
    },
    letters: Math.min(left, redriveLetters),
    bytes: redriveBytes,
    async work(letters, isCut) {
      const { plain, keys } = choose(letters, { shut, left });
      await sendBack(looker, registered, plain);
      return { count: plain.length, keys, isMore: isCut };
    },
  });
  const { count, keys } = chosen;
  const isMore = chosen.isMore && count + keys.size > 0;
  if (keys.size === 0) return { count, isMore };
  const whole = await lookAtDead(looker, registered, {
    wants: (letter) =>
      keys.has(letter.note.key ?? '') && (keyShutBy(letter) !== null || isWanted(letter)),
    async work(letters) {
      await sendBack(looker, registered, letters);
      return letters.length;
    },
  });
  return { count: count + whole, isMore: isMore && count + whole > 0 };
}

interface Chosen {
  /** Of keys that are open, or of none. */
  readonly plain: readonly Letter[];
  readonly keys: ReadonlySet<string>;
}

interface Choosing {
  readonly shut: ReadonlyMap<string, number>;
  readonly left: number;
}

/** As many as are left; the key that reaches it goes whole all the same. */
function choose(letters: readonly Letter[], { shut, left }: Choosing): Chosen {
  const keys = new Set<string>();
  const chosen: Letter[] = [];
  let count = 0;
  for (const letter of letters) {
    if (count >= left) break;
    const key = keyShutBy(letter);
    if (key === null) count += 1;
    else if (!keys.has(key)) count += shut.get(key) ?? 0;
    if (key !== null) keys.add(key);
    chosen.push(letter);
  }
  return { plain: chosen.filter(({ note }) => !keys.has(note.key ?? '')), keys };
}

/** Stores them where they are handled; with the letters of a key goes what opens it. */
async function sendBack(
  looker: Redriver,
  registered: Registered,
  letters: readonly Letter[],
): Promise<void> {
  const sendings = letters.map((letter) => returnOf(looker, registered, letter));
  for (const key of keysThatOpen(letters)) {
    const queue = registered.queues.side[partitionOf(key, registered.partitions)]!;
    const upTo = lastTurn(letters, key);
    sendings.push(recordOf(queue, { kind: 'open', key, upTo }, looker.host.newId()));
  }
  await roomFor(looker, registered, orderedIn(registered, letters));
  await looker.publisher.send(...sendings);
  for (const { place } of letters) ackPlace(place);
}

/** How many that keep their order go to each side queue. */
function orderedIn(
  registered: Registered,
  letters: readonly Letter[],
): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const letter of letters) {
    if (!returnsKeyed(registered, letter)) continue;
    const queue = sideOf(registered, letter);
    counts.set(queue, (counts.get(queue) ?? 0) + 1);
  }
  return counts;
}

function returnsKeyed({ spec }: Registered, { note }: Letter): boolean {
  return !note.isForeign && note.key !== null && (spec.order === 'key' || isShutting(note));
}

function sideOf({ queues, partitions }: Registered, { message }: Letter): string {
  return queues.side[placeIndexOf(message, partitions)]!;
}

/** The key that a letter holds shut. */
function keyShutBy({ note }: Letter): string | null {
  return isShutting(note) ? note.key : null;
}

function wantedBy(query: RedriveQuery): (letter: Letter) => boolean {
  if ('all' in query) {
    const { only } = query;
    return (letter) => only === undefined || isMeant(only, traitsOf(letter));
  }
  const ids = new Set(query.ids);
  return ({ message }) => ids.has(message.id);
}

function traitsOf({ message, note }: Letter): DeadTraits {
  const { key, reason, diedAt, story } = note;
  const lastFailure = story?.lastFailure ?? null;
  return { topic: message.topic, reason: reason as DeadReason, key, diedAt, lastFailure };
}

export function lastTurn(letters: readonly Letter[], key: string): Turn | null {
  let last: Turn | null = null;
  for (const { note } of letters) {
    if (note.key === key && isShutting(note) && isLater(note.turn, last)) last = note.turn;
  }
  return last;
}

/** Whether a letter holds this key shut. */
export function isShutBy(letter: Letter, key: string): boolean {
  return keyShutBy(letter) === key;
}

function keysThatOpen(letters: readonly Letter[]): string[] {
  return [...new Set(letters.map(keyShutBy).filter((key) => key !== null))];
}

function isShutting({ isShutting: shuts, reason }: DeadNote): boolean {
  return shuts || reason === 'diverted';
}

const longestHistory = 100;

export function returnOf({ host }: Looker, registered: Registered, letter: Letter): Sending {
  const { message, acceptedAt } = letter;
  if (letter.note.isForeign) {
    return sendingOf({ exchange: '', key: registered.queues.ingress, message, acceptedAt });
  }
  const key = sideOf(registered, letter);
  const note = livingOf(host, letter, { isKeyed: returnsKeyed(registered, letter) });
  return sendingOf({ exchange: '', key, message, acceptedAt, note });
}

/** The state in which a dead letter comes back. */
function livingOf(host: Host, { note }: Letter, { isKeyed }: Pick<CopyNote, 'isKeyed'>): CopyNote {
  const now = host.clock.now();
  const redriven =
    host.journal === 'exceptions'
      ? [{ at: now, event: 'redriven' as const, attempt: note.attempts, detail: note.reason }]
      : [];
  const history = [...(note.story?.history ?? []), ...redriven].slice(-longestHistory);
  return {
    kind: 'copy',
    version: 0,
    isKeyed,
    epoch: null,
    order: null,
    attempt: 1,
    isAtWork: false,
    heldUntil: 0,
    needs: [],
    heard: note.heard,
    returned: note.stamp,
    story: {
      suspicion: 'none',
      crashesBeside: 0,
      wasBehind: false,
      parkedFor: [],
      waitsSince: now,
      firstFailure: null,
      lastFailure: null,
      history,
    },
  };
}
