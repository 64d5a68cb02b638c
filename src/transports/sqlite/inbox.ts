/**
 * Receipts in the file: what was processed, and which delivery of a message is the last that was
 * announced. Rows are removed once their time is over, by the chore `sweep`.
 */

import type { Arrival, ReceiptId, Recollection } from '../../transport/effects.ts';
import { stepRows } from './chores.ts';
import { factsText, parseFacts } from './need-text.ts';
import type { Session } from './session.ts';

export type Found =
  | { readonly kind: 'new' }
  | { readonly kind: 'known'; readonly opens: readonly string[] }
  /** A later delivery was announced. */
  | { readonly kind: 'fenced' };

/** Looks, in whatever transaction there is. */
export function recall(session: Session, receipt: ReceiptId): Recollection | null {
  const source = findSource(session, receipt);
  if (source === null) return null;
  const row = session.inbox.receipt.get(source, receipt.id, session.time.now());
  return row === undefined || row[0] === 0 ? null : { opens: parseFacts(row[2]) };
}

/** The same in a turn, and nobody who holds an earlier delivery stores anything from now on. */
export function announce(session: Session, arrival: Arrival): Recollection | null {
  const known = recall(session, arrival);
  if (known !== null || !arrival.repeated) return known;
  const { id, token, keepMs } = arrival;
  const source = sourceOf(session, arrival);
  session.inbox.announce.run(source, id, token, session.ledger.now + keepMs);
  return null;
}

export function find(session: Session, receipt: Arrival): Found {
  const source = findSource(session, receipt);
  if (source === null) return unseen;
  const row = session.inbox.receipt.get(source, receipt.id, session.ledger.now);
  if (row === undefined) return unseen;
  const [done, token, opens] = row;
  if (done === 1) return { kind: 'known', opens: parseFacts(opens) };
  return token > receipt.token ? { kind: 'fenced' } : unseen;
}

const unseen: Found = { kind: 'new' };

export function store(session: Session, receipt: Arrival, opens: readonly string[]): void {
  const { id, token, keepMs } = receipt;
  const source = sourceOf(session, receipt);
  session.inbox.store.run(source, id, token, session.ledger.now + keepMs, factsText(opens));
}

/** Whether there is a receipt whose time is over. */
export function hasEnded({ inbox, ledger }: Session): boolean {
  const oldest = inbox.oldestEnd.get();
  return oldest !== undefined && oldest[0] <= ledger.now;
}

/** Removes some of those; answers whether there may be more. */
export function forgetEnded({ inbox, ledger }: Session): boolean {
  return Number(inbox.forgetEnded.run(ledger.now, stepRows).changes) === stepRows;
}

/** Names have no blanks. */
function nameOf({ subscription, topic }: ReceiptId): string {
  return `${subscription} ${topic}`;
}

function findSource(session: Session, receipt: ReceiptId): number | null {
  const name = nameOf(receipt);
  const known = session.sources.get(name);
  if (known !== undefined) return known;
  const row = session.inbox.source.get(name);
  if (row === undefined) return null;
  session.sources.set(name, row[0]);
  return row[0];
}

function sourceOf(session: Session, receipt: ReceiptId): number {
  const known = findSource(session, receipt);
  if (known !== null) return known;
  const name = nameOf(receipt);
  const [number] = session.inbox.addSource.get(name)!;
  session.sources.set(name, number);
  return number;
}
