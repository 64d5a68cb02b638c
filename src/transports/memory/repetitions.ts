/**
 * What the caller gave to recognise repeated messages by: remembered as long as the message is
 * there and for seven days after it is done, and at most a million of them, the oldest forgotten
 * first.
 *
 * A name is good for seven days and an hour from acceptance. Only what lives longer than the hour
 * has it extended at its end; one that is over while its message is there is extended then.
 */

import type { Outgoing } from '../../transport/transport.ts';

export type Identity = Pick<Outgoing, 'id' | 'topic'>;

interface Seen extends Identity {
  readonly name: string;
  readonly until: number;
}

export interface Repetitions {
  readonly byName: Map<string, Seen>;
  /** In the order of their arrival; what stands before `first` is forgotten. */
  readonly inOrder: Seen[];
  first: number;
  /** Whether a subscription, or the shelf of those without one, holds it, alive or dead. */
  readonly isThere: (message: Identity) => boolean;
}

const windowMs = 7 * 24 * 3_600_000;
/** What lives no longer is remembered for long enough from its acceptance. */
const ordinaryLifeMs = 3_600_000;
const mostRemembered = 1_000_000;

export function createRepetitions(isThere: Repetitions['isThere']): Repetitions {
  return { byName: new Map(), inOrder: [], first: 0, isThere };
}

/** The id of the message that this one repeats, or null. */
export function repeats(repetitions: Repetitions, message: Outgoing, now: number): string | null {
  for (const given of message.dedupe) {
    const seen = repetitions.byName.get(nameOf(message, given));
    if (seen === undefined) continue;
    if (seen.until > now || repetitions.isThere(seen)) return seen.id;
  }
  return null;
}

export function remember(repetitions: Repetitions, message: Outgoing, now: number): void {
  for (const given of message.dedupe) {
    const until = now + ordinaryLifeMs + windowMs;
    const { id, topic } = message;
    add(repetitions, { name: nameOf(message, given), id, topic, until });
  }
  forget(repetitions, now);
}

/** A message is done: if it has been there for long, its time to be remembered begins now. */
export function rememberFromEnd(
  repetitions: Repetitions,
  { message, acceptedAt }: { readonly message: Outgoing; readonly acceptedAt: number },
  now: number,
): void {
  if (acceptedAt >= now - ordinaryLifeMs) return;
  for (const given of message.dedupe) {
    const name = nameOf(message, given);
    const seen = repetitions.byName.get(name);
    if (seen?.id === message.id) add(repetitions, { ...seen, until: now + windowMs });
  }
}

/** What stood there before under this name is passed over when its turn comes. */
function add({ byName, inOrder }: Repetitions, seen: Seen): void {
  byName.set(seen.name, seen);
  inOrder.push(seen);
}

function forget(repetitions: Repetitions, now: number): void {
  const { byName, inOrder } = repetitions;
  for (let oldest = inOrder[repetitions.first]; oldest; oldest = inOrder[repetitions.first]) {
    const isOver = oldest.until <= now;
    if (!isOver && inOrder.length - repetitions.first <= mostRemembered) break;
    repetitions.first += 1;
    if (byName.get(oldest.name) !== oldest) continue;
    if (isOver && repetitions.isThere(oldest)) {
      add(repetitions, { ...oldest, until: now + windowMs });
    } else {
      byName.delete(oldest.name);
    }
  }
  if (repetitions.first < 1_024 || repetitions.first * 2 < inOrder.length) return;
  inOrder.splice(0, repetitions.first);
  repetitions.first = 0;
}

/** No topic's name holds a line break, so no two names meet. */
function nameOf({ topic }: Outgoing, given: string): string {
  return `${topic}\n${given}`;
}
