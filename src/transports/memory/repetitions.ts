/**
 * What the caller gave to recognise repeated messages by: remembered for seven days, and at most a
 * million of them, the oldest forgotten first.
 */

import type { Outgoing } from '../../transport/transport.ts';

interface Seen {
  readonly name: string;
  readonly id: string;
  readonly until: number;
}

export interface Repetitions {
  readonly byName: Map<string, Seen>;
  /** In the order of their arrival; what stands before `first` is forgotten. */
  readonly inOrder: Seen[];
  first: number;
}

const windowMs = 7 * 24 * 3_600_000;
const mostRemembered = 1_000_000;

export function createRepetitions(): Repetitions {
  return { byName: new Map(), inOrder: [], first: 0 };
}

/** The id of the message that this one repeats, or null. */
export function repeats(repetitions: Repetitions, message: Outgoing, now: number): string | null {
  for (const given of message.dedupe) {
    const seen = repetitions.byName.get(nameOf(message, given));
    if (seen !== undefined && seen.until > now) return seen.id;
  }
  return null;
}

export function remember(repetitions: Repetitions, message: Outgoing, now: number): void {
  for (const given of message.dedupe) {
    const seen = { name: nameOf(message, given), id: message.id, until: now + windowMs };
    repetitions.byName.set(seen.name, seen);
    repetitions.inOrder.push(seen);
  }
  forget(repetitions, now);
}

function forget(repetitions: Repetitions, now: number): void {
  const { byName, inOrder } = repetitions;
  for (let oldest = inOrder[repetitions.first]; oldest; oldest = inOrder[repetitions.first]) {
    if (oldest.until > now && inOrder.length - repetitions.first <= mostRemembered) break;
    if (byName.get(oldest.name) === oldest) byName.delete(oldest.name);
    repetitions.first += 1;
  }
  if (repetitions.first < 1_024 || repetitions.first * 2 < inOrder.length) return;
  inOrder.splice(0, repetitions.first);
  repetitions.first = 0;
}

/** No topic's name holds a line break, so no two names meet. */
function nameOf({ topic }: Outgoing, given: string): string {
  return `${topic}\n${given}`;
}
