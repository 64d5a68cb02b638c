/**
 * Looking at the dead letters of a subscription, whatever their number.
 *
 * They are read up to a marker and put back by closing the channel. A consumer is given 65,535 at
 * most, so the next one of the same channel goes on where it stopped. Two who look at once would
 * each see a part: one looks at a time, under a lock. What is wanted stays in memory; of the rest
 * only the server knows where it is.
 */

import type { Outgoing } from '../../transport/transport.ts';
import {
  ackPlace,
  createAckBook,
  drained,
  endBook,
  placeOf,
  type AckBook,
  type Place,
} from './ack-book.ts';
import { closeChannel } from './driver.ts';
import type { Context } from './hold.ts';
import { locked } from './lock.ts';
import type { Sending } from './publisher.ts';
import type { Registered } from './registry.ts';
import {
  arrivedOf,
  identityOf,
  recordOf,
  type Arrived,
  type DeadNote,
  type Turn,
} from './wire-format.ts';

export interface Letter {
  readonly message: Outgoing;
  readonly acceptedAt: number;
  readonly note: DeadNote;
  readonly place: Place;
}

export type Looker = Pick<Context, 'wire' | 'publisher' | 'host' | 'session' | 'settings'>;

export interface Look<Answer> {
  /** Asked once of every letter. */
  wants(letter: Letter): boolean;
  /** Of what is wanted, no more than this is kept: the oldest, one at the least. */
  readonly letters?: number;
  readonly bytes?: number;
  /** The oldest first; what it acknowledges is gone. */
  work(letters: readonly Letter[], isCut: boolean): Promise<Answer> | Answer;
}

interface Looking {
  readonly looker: Looker;
  readonly look: Pick<Look<unknown>, 'wants' | 'letters' | 'bytes'>;
  readonly book: AckBook;
  readonly marker: string;
  readonly wanted: Map<string, Letter>;
  /** The last that were seen, to notice a death that a crash has stored twice. */
  readonly seen: Map<string, Pick<Letter, 'note' | 'place'>>;
  bytes: number;
  isCut: boolean;
  isOver: boolean;
}

export async function lookAtDead<Answer>(
  looker: Looker,
  registered: Registered,
  look: Look<Answer>,
): Promise<Answer> {
  const { name, queues } = registered;
  return await locked(looker.wire.model, {
    lock: queues.look,
    what: `the dead letters of "${name}"`,
    waitMs: Number.POSITIVE_INFINITY,
    work: () => lookAlone(looker, queues.dead, look),
  });
}

async function lookAlone<Answer>(
  looker: Looker,
  queue: string,
  look: Look<Answer>,
): Promise<Answer> {
  const { wire, publisher, host, session } = looker;
  const channel = await wire.model.createChannel();
  const book = createAckBook(channel, queue);
  const looking: Looking = {
    looker,
    look,
    book,
    marker: host.newId(),
    wanted: new Map(),
    seen: new Map(),
    bytes: 0,
    isCut: false,
    isOver: false,
  };
  try {
    await channel.prefetch(looker.settings.limits.lookWindow);
    const read = readAll(looking);
    read.catch(() => undefined);
    await publisher.send(markerOf(queue, { id: looking.marker, by: session }));
    await read;
    looking.isOver = true;
    trim(looking, 1);
    const answer = await look.work(inOrder([...looking.wanted.values()]), looking.isCut);
    endBook(book);
    await drained(book);
    return answer;
  } finally {
    looking.isOver = true;
    await closeChannel(channel);
  }
}

/** Resolves when the marker has come, with everything before it. */
function readAll(looking: Looking): Promise<void> {
  const { looker, book, marker } = looking;
  const { channel, queue } = book;
  return new Promise<void>((resolve, reject) => {
    channel.on('error', reject);
    channel.on('close', () => reject(new Error('the channel was closed')));
    const readOn = async (before: string | null): Promise<void> => {
      const consumerTag = looker.host.newId();
      let left = looker.settings.limits.lookWindow;
      await channel.consume(
        queue,
        (delivery) => {
          if (looking.isOver) return;
          if (delivery === null) {
            reject(new Error(`"${queue}" was deleted`));
            return;
          }
          left -= 1;
          const place = placeOf(book, delivery);
          if (delivery.properties.messageId !== marker)
            take(looking, arrivedOf(delivery, 0), place);
          else {
            ackPlace(place);
            resolve();
            return;
          }
          if (left === 0) readOn(consumerTag).catch(reject);
        },
        { consumerTag },
      );
      // The next one is given messages when the one before it is gone.
      if (before !== null) await channel.cancel(before);
    };
    readOn(null).catch(reject);
  });
}

function take(looking: Looking, arrived: Arrived, place: Place): void {
  const { look, seen, wanted, looker } = looking;
  if (arrived.note?.kind === 'mark') {
    // Of somebody who died before it came: under the lock it is nobody's.
    ackPlace(place);
    return;
  }
  const letter = letterOf(place, arrived);
  const identity = identityOf(letter.message);
  const isWanted = look.wants(letter);
  const before = wanted.get(identity) ?? seen.get(identity);
  if (before !== undefined && counts(before.note, letter.note)) {
    ackPlace(place);
    return;
  }
  if (before !== undefined) {
    ackPlace(before.place);
    forget(looking, identity);
  }
  seen.set(identity, { note: letter.note, place });
  if (seen.size > looker.settings.limits.lookWindow) seen.delete(seen.keys().next().value!);
  if (!isWanted) return;
  wanted.set(identity, letter);
  looking.bytes += sizeOf(letter);
  trim(looking, 2);
}

/**
 * A crash between two steps may have stored a death twice: the last one counts. Of what was
 * diverted the first one does: those behind it may not have been diverted again. Of one letter that
 * the server gives again neither does here: the later place of it stays.
 */
function counts(a: DeadNote, b: DeadNote): boolean {
  const isSame = a.reason === 'diverted' && b.reason === 'diverted' && a.life === b.life;
  return isSame ? isNewer(b, a) : isNewer(a, b);
}

function isNewer(a: DeadNote, b: DeadNote): boolean {
  return isLater(a.turn, b.turn) || (!isLater(b.turn, a.turn) && a.stamp > b.stamp);
}

function forget(looking: Looking, identity: string): void {
  const letter = looking.wanted.get(identity);
  if (letter === undefined) return;
  looking.wanted.delete(identity);
  looking.bytes -= sizeOf(letter);
}

/** Keeps the oldest once there are so many times more than wanted. */
function trim(looking: Looking, times: 1 | 2): void {
  const { letters: most = Infinity, bytes: mostBytes = Infinity } = looking.look;
  const { wanted } = looking;
  if (wanted.size <= most * times && looking.bytes <= mostBytes * times) return;
  const kept = [...wanted].toSorted(([, a], [, b]) => compare(a.note.stamp, b.note.stamp));
  while (kept.length > 1 && (kept.length > most || looking.bytes > mostBytes)) {
    forget(looking, kept.pop()![0]);
    looking.isCut = true;
  }
}

function sizeOf({ message: { body } }: Letter): number {
  return body.length;
}

/** By the time of death, and those of one key by their turns, which clocks cannot mix up. */
function inOrder(letters: readonly Letter[]): Letter[] {
  const byTime = letters.toSorted((a, b) => compare(a.note.stamp, b.note.stamp));
  const byKey = new Map<string, Letter[]>();
  for (const letter of byTime) {
    const { key, turn } = letter.note;
    if (key === null || turn === null) continue;
    const others = byKey.get(key);
    if (others === undefined) byKey.set(key, [letter]);
    else others.push(letter);
  }
  // The last of each stands first, to be taken from the end.
  for (const all of byKey.values())
    all.sort((a, b) => (isLater(a.note.turn, b.note.turn) ? -1 : 1));
  return byTime.map((letter) => {
    const { key, turn } = letter.note;
    return key === null || turn === null ? letter : byKey.get(key)!.pop()!;
  });
}

export function isLater(a: Turn | null, b: Turn | null): boolean {
  if (a === null || b === null) return a !== null;
  return a[0] === b[0] ? a[1] > b[1] : a[0] > b[0];
}

export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Longer than any look takes: a marker that is gone before it is read is awaited for ever. */
const markerMs = 86_400_000;

/** Whoever dies before it finds its marker leaves it behind, for the next one. */
function markerOf(
  queue: string,
  { id, by }: { readonly id: string; readonly by: string },
): Sending {
  const sending = recordOf(queue, { kind: 'mark', by }, id);
  return { ...sending, properties: { ...sending.properties, expiration: String(markerMs) } };
}

function letterOf(place: Place, { message, acceptedAt, note }: Arrived): Letter {
  const dead: DeadNote =
    note?.kind === 'dead'
      ? note
      : {
          kind: 'dead',
          stamp: '',
          turn: null,
          key: message.key,
          reason: 'by-hand',
          attempts: 0,
          diedAt: acceptedAt,
          story: null,
          heard: [],
          isShutting: false,
          isForeign: false,
          life: null,
        };
  return { message, acceptedAt, note: dead, place };
}
