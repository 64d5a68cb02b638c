/**
 * Messages that are gone, where the journal keeps all: one row for each, written in the transaction
 * that removes the message, beside the lines that its story has by then. The first delivery and the
 * ack have no lines of their own, so that an ordinary life costs one row.
 */

import type { JournalEntry } from '../../transport/store.ts';
import { stepRows } from './chores.ts';
import type { HeldLease } from './consumers.ts';
import type { Ledger } from './ledger.ts';
import type { Session } from './session.ts';

/** Keeps what of a lease is acked and is about to be removed: a prefix of a lane, or a range. */
export function keepAcked(
  { past, now, keepDoneMs }: Ledger,
  { kind, deliveredAt }: HeldLease,
  [from, to]: readonly [laneOrFirst: number, last: number],
): void {
  if (keepDoneMs === 0) return;
  const keep = kind === 'lane' ? past.keepPrefix : past.keepLoose;
  keep.run(deliveredAt, now, now + keepDoneMs, from, to);
}

export interface Cancelled {
  readonly row: number;
  readonly id: string;
  readonly topic: number;
  readonly key: string | null;
  readonly attempt: number;
  readonly acceptedAt: number;
}

/** Answers whether it is kept, with its story. */
export function keepCancelled({ past, now, keepDoneMs }: Ledger, cancelled: Cancelled): boolean {
  if (keepDoneMs === 0) return false;
  const { row, id, topic, key, attempt, acceptedAt } = cancelled;
  past.add.run(row, id, topic, key, attempt, acceptedAt, now, now + keepDoneMs);
  return true;
}

type PastRow = NonNullable<ReturnType<Ledger['past']['named']['get']>>;

/** What is written of the end of a message in its row alone. */
export function endOf([, , , attempt, , deliveredAt, endedAt]: PastRow): JournalEntry[] {
  const about = { attempt, detail: null };
  if (deliveredAt === null) return [{ at: endedAt, event: 'cancelled', ...about }];
  return [
    { at: deliveredAt, event: 'delivered', ...about },
    { at: endedAt, event: 'acked', ...about },
  ];
}

export function hasPast({ past, now }: Ledger): boolean {
  const oldest = past.oldestEnd.get();
  return oldest !== undefined && oldest[0] <= now;
}

/** Forgets the next of those whose time is over; answers whether there may be more. */
export function forgetPast({ ledger }: Session): boolean {
  return forget(ledger, ledger.past.ended.all(ledger.now, stepRows)) === stepRows;
}

/** Forgets the next of a range of row ids; answers whether there were any. */
export function forgetPastIn(ledger: Ledger, from: number, to: number): boolean {
  return forget(ledger, ledger.past.inRange.all(from, to, stepRows)) > 0;
}

function forget({ past, dead }: Ledger, rows: readonly (readonly [id: number])[]): number {
  for (const [id] of rows) {
    past.remove.run(id);
    dead.removeEntries.run(id);
  }
  return rows.length;
}
