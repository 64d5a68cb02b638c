/** What becomes of everything this process holds when it leaves, or when its subscription does. */

import { endHoldsOf } from './coordination-steps.ts';
import { mark } from './layout.ts';
import type { HeldLease, LaneLease, LooseLease } from './consumers.ts';
import { loose } from './lease-book.ts';
import { endLoose, goOn, makeReady, noteHead, takeBack } from './return.ts';
import type { Session } from './session.ts';
import { record } from './story.ts';

/** Gives back what is not settled, attempts unspent, and all holds; deletes the session. */
export function leave(session: Session): void {
  const { book, rows, id } = session;
  for (const lease of book.held.values()) {
    if (lease.ended) continue;
    book.touch(lease);
    if (lease.kind === 'lane') returnLane(session, lease);
    else returnLoose(session, lease);
  }
  endHoldsOf(session, [id]);
  rows.remove.run(id);
}

/** Ends leases of subscriptions that are no more; their messages are being removed. */
export function dropForgotten(session: Session): void {
  const { book, ledger, lost } = session;
  for (const lease of book.held.values()) {
    if (lease.ended || !lease.subscription.isGone) continue;
    book.touch(lease);
    book.out -= outOf(lease);
    lease.ended = true;
    lost.push(lease);
    if (lease.kind === 'loose') ledger.lanes.removeLease.run(lease.id);
    else if (--lease.batch.left === 0) ledger.lanes.removeLease.run(lease.batch.id);
  }
}

function outOf(lease: HeldLease): number {
  return lease.kind === 'loose' ? lease.left : lease.ids.length - lease.next;
}

function returnLane(session: Session, lease: LaneLease): void {
  const { ledger } = session;
  const freed = takeBack(session, lease, lease.next);
  const head = ledger.messages.headOfLane.get(freed.lane);
  if (head === undefined) return;
  const [id, , attempt, marks] = head;
  if (ledger.keepsJournal) {
    ledger.messages.note.run(attempt, marks | mark.storied, id);
    record(ledger, id, { event: 'released', attempt: attempt + 1 });
  }
  goOn(ledger, freed.lane);
}

function returnLoose(session: Session, lease: LooseLease): void {
  const { ledger } = session;
  lease.ids.forEach((id, index) => {
    if (lease.settled[index] !== loose.out) return;
    const freed = takeBack(session, lease, index);
    const marks = ledger.keepsJournal ? mark.storied : 0;
    record(ledger, id, { event: 'released', attempt: 1 });
    noteHead(ledger, freed, { id, attempt: 0, marks });
    makeReady(ledger, freed, { marks, since: ledger.now, afterMs: 0 });
  });
  endLoose(session, lease);
}
