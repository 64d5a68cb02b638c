/**
 * Messages by the id their publisher gave them. An index that every message enters costs a quarter
 * of the throughput, and most messages are gone in a moment; so only those enter it that have stood
 * for a while. The few later ones are found by a look at the ends of the ranges.
 */

import { endOfRange } from './layout.ts';
import type { Naming, Session } from './session.ts';

/** How long a message stands before it enters the index, at least. */
const standsMs = 250;

type Row = NonNullable<ReturnType<Session['views']['messages']['get']>>;

/** Everything in `ml_message` with this id, over all subscriptions, oldest first. */
export function findMessages({ views, ledger }: Session, id: string): Row[] {
  const found = views.messages.all(id);
  for (const { loose, keyed } of ledger.topology.byNumber.values()) {
    for (const range of [loose, keyed]) {
      found.push(...views.newMessages.all(range + ledger.named, endOfRange(range), id));
    }
  }
  return found;
}

/** Names the next messages that have stood long enough; answers whether there are more. */
export function nameSome(session: Session, most: number): boolean {
  const { ledger, naming } = session;
  if (ledger.now - naming.at >= standsMs || ledger.now < naming.at) {
    naming.until = naming.next;
    naming.next = ledger.sequence;
    naming.at = ledger.now;
  }
  if (naming.until <= ledger.named) return false;
  const until = Math.min(naming.until, ledger.named + most);
  for (const { loose, keyed } of ledger.topology.byNumber.values()) {
    ledger.messages.name.run(loose + ledger.named, loose + until);
    ledger.messages.name.run(keyed + ledger.named, keyed + until);
  }
  ledger.named = until;
  return until < naming.until;
}

export function createNaming(): Naming {
  return { at: 0, next: 0, until: 0 };
}
