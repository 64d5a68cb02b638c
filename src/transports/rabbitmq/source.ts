/**
 * How a message that is held came here, and how it changes its state: by a copy in the side queue
 * of its partition. When that has come back, the one before it is acknowledged: at every instant
 * the newest confirmed state is on the server.
 */

import type { MaloteError } from '../../errors.ts';
import type { Entry } from '../../transport/lane-table.ts';
import type { Outgoing } from '../../transport/transport.ts';
import { ackPlace, type Place } from './ack-book.ts';
import { heardOf } from './heard.ts';
import type { Context, Hold, Incoming, Member, Source } from './hold.ts';
import { placeIndexOf } from './names.ts';
import { copyNoteOf, sendingOf, type Arrived, type CopyNote, type Heard } from './wire-format.ts';

export interface SourceOptions {
  readonly arrived: Arrived;
  readonly place: Place | null;
  readonly order: number;
}

export function createSource(hold: Hold, options: SourceOptions): Source {
  const { place, order } = options;
  const { message, identity, acceptedAt, redelivered } = options.arrived;
  const copy = copyNoteOf(options.arrived);
  const source: Source = {
    tag: hold.member.context.nextNumber(),
    hold,
    message,
    acceptedAt,
    identity,
    hash: Number.NaN,
    isListed: false,
    isKeyed: isKeyed(hold, options),
    cameAt: hold.member.context.host.clock.monotonic(),
    entry: null,
    place,
    placeVersion: copy?.version ?? 0,
    version: copy?.version ?? 0,
    order,
    heard: copy?.heard ?? [],
    returned: copy?.returned ?? null,
    isCareful: redelivered || copy?.isAtWork === true || (copy?.attempt ?? 1) > 1,
    delayed: null,
    isCopying: false,
    isDone: false,
    death: null,
    arrivals: null,
  };
  hold.byIdentity.set(source.identity, source);
  hold.member.sources.set(source.tag, source);
  return source;
}

/** Found out where it was accepted, and kept in its copies: its subscription may change since. */
function isKeyed({ partition, book, member }: Hold, options: SourceOptions): boolean {
  const { place } = options;
  const { message, note } = options.arrived;
  if (partition === null || message.key === null) return false;
  if (note?.kind === 'copy') return note.isKeyed;
  return (place !== null && place.book === book) || member.registered.spec.order === 'key';
}

/** Which partition's side queue holds a message back. */
export function sideIndexOf({ registered }: Member, message: Outgoing): number {
  return placeIndexOf(message, registered.partitions);
}

/** Stores the state of an entry. Resolves when it is stored; the connection is dropped if not. */
export async function keep(source: Source, entry: Entry): Promise<void> {
  const { hold } = source;
  const { context } = hold.member;
  source.version += 1;
  source.isCopying = hold.partition !== null;
  source.isCareful = true;
  await store(context, () => sendCopy(source, entry));
}

function sendCopy(source: Source, entry: Entry): Promise<void> {
  const { hold, message, acceptedAt } = source;
  const { member, partition } = hold;
  const { context, registered } = member;
  // Of one that is at work, the ledger that lists it counts when this process dies.
  const own: Heard[] = entry.lease === null ? [[context.session, context.clerk.number]] : [];
  const note: CopyNote = {
    kind: 'copy',
    version: source.version,
    isKeyed: source.isKeyed,
    epoch: partition === null || source.place === null ? null : partition.epoch,
    order: partition === null ? null : source.order,
    attempt: entry.attempt,
    isAtWork: entry.lease !== null,
    heldUntil: entry.state === 'retrying' ? entry.readyAt : 0,
    story: entry.story,
    needs: entry.needs,
    heard: heardOf(source.heard, own),
    returned: source.returned,
  };
  const index = partition?.index ?? sideIndexOf(member, message);
  const key = registered.queues.side[index]!;
  return context.publisher.send(sendingOf({ exchange: '', key, message, acceptedAt, note }));
}

/** What must be stored, or nothing is certain any more. */
export async function store(context: Context, send: () => Promise<void>): Promise<void> {
  try {
    await send();
  } catch (error) {
    context.broken(`a state could not be stored: ${(error as MaloteError).message}`);
    throw error;
  }
}

/** The message is done with for good. */
export function finish(source: Source): void {
  const { hold, place } = source;
  source.isDone = true;
  if (hold.partition !== null) hold.recent.add(source);
  hold.member.sources.delete(source.tag);
  // A copy on its way is acknowledged when it comes.
  if (!source.isCopying) forgetIdentity(source);
  if (place !== null && hold.isOpen) ackPlace(place);
  source.place = null;
}

export function forgetIdentity(source: Source): void {
  const { byIdentity } = source.hold;
  if (byIdentity.get(source.identity) === source) byIdentity.delete(source.identity);
}

/**
 * Answers whether the server gave a message again to the channel that has it. A server that cannot
 * reach another of its cluster for a moment takes back what it had given to consumers there: from
 * then on only the later delivery counts, and takes the place of the one before it.
 */
export function takeAgain(source: Source, { arrived, place }: Incoming): boolean {
  const { place: before, placeVersion, acceptedAt } = source;
  if (!arrived.redelivered || before?.book !== place.book) return false;
  const version = copyNoteOf(arrived)?.version ?? 0;
  // The same id may have been published twice: that is another message of the queue.
  if (version !== placeVersion || arrived.acceptedAt !== acceptedAt) return false;
  ackPlace(before);
  source.place = place;
  return true;
}

/**
 * A copy that came of a message that is here takes its place, unless that is newer. It does so also
 * where a newer one is on its way: that may never be stored, and what has moved to the side queue
 * from behind this message must not come before it at the next owner.
 */
export function takeCopy(source: Source, version: number, place: Place): void {
  if (version <= source.placeVersion || !source.isCopying) {
    ackPlace(place);
    return;
  }
  if (source.place !== null) ackPlace(source.place);
  source.place = place;
  source.placeVersion = version;
  const isLast = version === source.version;
  if (isLast) {
    source.isCopying = false;
    tellArrival(source);
  }
  if (!source.isDone) return;
  if (isLast) forgetIdentity(source);
  ackPlace(place);
  source.place = null;
}

/** Its copy has come, or never will. */
export function tellArrival(source: Source): void {
  const { arrivals } = source;
  source.arrivals = null;
  for (const arrive of arrivals ?? []) arrive();
}
