/**
 * What messages are recognised by that are published twice: the id and the key that their publisher
 * gave, remembered as long as the message is there, and for seven days after it is done.
 *
 * A row is good for seven days and an hour from acceptance. Only what lives longer than the hour
 * has its row extended at its end, so that an ordinary ack writes nothing here; a row that is over
 * while its message still waits, is delayed or dead, is extended when somebody looks.
 */

import type { Delivery } from '../../transport/transport.ts';
import { addChore, type Step, stepRows } from './chores.ts';
import { forgetEnded, hasEnded } from './inbox.ts';
import { endOfRange } from './layout.ts';
import { flush, type Ledger } from './ledger.ts';
import { forgetPast, hasPast } from './past.ts';
import type { Session } from './session.ts';
import type { Topic } from './topology.ts';

export const dedupeWindowMs: number = 7 * 24 * 3_600_000;
/** What lives no longer is remembered for long enough from its acceptance. */
export const ordinaryLifeMs: number = 3_600_000;

/** The id of the message that came with one of these keys, if it is still remembered. */
export function firstOf(ledger: Ledger, topic: Topic, keys: readonly string[]): string | null {
  for (const key of keys) {
    const seen = ledger.shelves.seen.get(key, topic.number);
    if (seen === undefined) continue;
    const [number, id, endsAt] = seen;
    if (endsAt > ledger.now || isThere(ledger, id, topic.number)) return id;
    ledger.shelves.forget.run(number);
  }
  return null;
}

export function remember(
  ledger: Ledger,
  topic: Topic,
  { key, id }: { readonly key: string; readonly id: string },
): void {
  const { now, sequence } = ledger;
  const endsAt = now + ordinaryLifeMs + dedupeWindowMs;
  ledger.shelves.remember.run(topic.number, key, id, now, sequence, endsAt);
}

/** A message is done: if it has been there for long, its time to be remembered begins now. */
export function rememberFromEnd(
  ledger: Ledger,
  { id, acceptedAt }: Pick<Delivery, 'id' | 'acceptedAt'>,
): void {
  if (acceptedAt >= ledger.now - ordinaryLifeMs) return;
  for (const [number] of ledger.shelves.seenNamed.all(id)) extend(ledger, number);
}

/** Whether a subscription, or the shelf of those without one, holds the message, alive or dead. */
function isThere(ledger: Ledger, id: string, topic: number): boolean {
  const { shelves, topology, named } = ledger;
  if (shelves.isThere.get(id, topic) !== undefined) return true;
  // What has come, or was delayed until, a moment ago is not in the index by id.
  return [...topology.byNumber.values()].some(({ loose, keyed }) =>
    [loose, keyed].some(
      (range) => shelves.isNew.get(range + named, endOfRange(range), id, topic) !== undefined,
    ),
  );
}

/** The row goes to the end: those with the lowest numbers are those that are over first. */
function extend({ shelves, now }: Ledger, number: number): void {
  shelves.extend.run(now + dedupeWindowMs, number);
}

/** Now and then: whether there is something to forget. */
export function planSweep(session: Session): void {
  const { ledger } = session;
  const first = ledger.shelves.firstEnd.get();
  const isOver = first !== undefined && first[0] <= ledger.now;
  if (!isOver && !hasEnded(session) && !hasPast(ledger)) return;
  addChore(ledger, { kind: 'sweep', name: '', subject: 0 });
}

/** Forgets repetitions, and the receipts and past messages whose time is over. */
export const sweepStep: Step = (session) => {
  const more = [forgetEnded(session), forgetPast(session), forgetRepetitions(session.ledger)];
  return more.includes(true) ? 0 : null;
};

/** Answers whether there may be more that is over. */
function forgetRepetitions(ledger: Ledger): boolean {
  const { shelves, now } = ledger;
  // What became due in this turn is on its way from the shelf to its subscription.
  flush(ledger);
  const first = shelves.firstToEnd.all(stepRows).filter((row) => row[3] <= now);
  for (const [number, topic, id] of first) {
    if (isThere(ledger, id, topic)) extend(ledger, number);
    else shelves.forget.run(number);
  }
  return first.length === stepRows;
}
