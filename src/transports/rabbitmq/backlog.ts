/**
 * What a side queue holds when its partition is taken over: of each message the state that counts,
 * in order, and the records that say which keys are shut.
 */

import { ackPlace, type Place } from './ack-book.ts';
import type { Incoming, Partition } from './hold.ts';
import { copyNoteOf, type Arrived, type OpenNote } from './wire-format.ts';

/**
 * An owner that is none any more wrote it, and it came behind the token of a later one. A message
 * is there as well then, and a copy of it nobody's state: places and versions count anew from owner
 * to owner.
 */
export function isLate({ epoch }: Partition, { note }: Pick<Arrived, 'note'>): boolean {
  if (note?.kind === 'copy' && note.isAway === true) return false;
  if (note?.kind !== 'copy' && note?.kind !== 'shut') return false;
  return note.epoch !== null && note.epoch < epoch;
}

/** The newest state of each message; the others are acknowledged. */
export function newestOf(backlog: readonly Incoming[]): {
  readonly messages: readonly Incoming[];
  readonly records: readonly Incoming[];
} {
  const newest = new Map<string, Incoming>();
  const records: Incoming[] = [];
  for (const one of backlog) {
    const { note, identity } = one.arrived;
    if (note !== null && note.kind !== 'copy') {
      records.push(one);
      continue;
    }
    const before = newest.get(identity);
    if (before === undefined || isNewer(one, before)) {
      if (before !== undefined) ackPlace(before.place);
      // It stands where it came, not where the one before it did.
      newest.delete(identity);
      newest.set(identity, one);
    } else ackPlace(one.place);
  }
  return { messages: [...newest.values()], records };
}

/**
 * Who came back from the dead lives anew. What was written in a later epoch was made of all that
 * there was in the earlier ones.
 */
function isNewer(one: Incoming, other: Incoming): boolean {
  const [life, earlier] = [
    copyNoteOf(one.arrived)?.returned ?? '',
    copyNoteOf(other.arrived)?.returned ?? '',
  ];
  if (life !== earlier) return life > earlier;
  const [epoch, before] = [
    copyNoteOf(one.arrived)?.epoch ?? -1,
    copyNoteOf(other.arrived)?.epoch ?? -1,
  ];
  if (epoch !== before) return epoch > before;
  if (versionOf(one) !== versionOf(other)) return versionOf(one) > versionOf(other);
  // The server gave it again: see `takeAgain`.
  return one.arrived.redelivered && one.arrived.acceptedAt === other.arrived.acceptedAt;
}

export function versionOf(one: Incoming): number {
  return copyNoteOf(one.arrived)?.version ?? 0;
}

/** What has a place, then the rest as it came. */
export function inOrder(messages: readonly Incoming[]): Incoming[] {
  const rank = (one: Incoming): number =>
    copyNoteOf(one.arrived)?.order ?? Number.POSITIVE_INFINITY;
  return messages.toSorted((a, b) => {
    const [first, second] = [rank(a), rank(b)];
    return first === second ? 0 : first - second;
  });
}

interface Opening {
  readonly note: OpenNote;
  readonly place: Place;
}

/** Which keys are shut, and which of them are to be opened. */
export function readRecords(
  { shuts }: Partition,
  records: readonly Incoming[],
): ReadonlyMap<string, Opening> {
  const opening = new Map<string, Opening>();
  for (const { arrived, place } of records) {
    const { note } = arrived;
    if (note?.kind === 'shut') {
      const before = [shuts.get(note.key), opening.get(note.key)];
      for (const record of before) if (record?.place) ackPlace(record.place);
      shuts.set(note.key, { note, place, since: null, last: null });
      opening.delete(note.key);
    } else if (note?.kind === 'open' && shuts.has(note.key) && !opening.has(note.key)) {
      opening.set(note.key, { note, place });
    } else ackPlace(place);
  }
  return opening;
}
