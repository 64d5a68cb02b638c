/**
 * What becomes of deliveries when they are settled. Every settlement first finds its lease in the
 * book; the fence (is this session's row still there?) was checked once for the whole transaction.
 *
 * An ack only counts here; {@link finishSettling} removes what was acked in ranges and ends the
 * leases that have nothing left. Every other outcome ends a lane's lease: the message and all
 * behind it are where they were, and only the lane's state says what comes next.
 */

import type { Delivery, Settlement, SettleOutcome } from '../../transport/transport.ts';
import { die } from './die.ts';
import { lackingOf, openFact, startWaiting } from './facts.ts';
import { laneFlag, laneState, mark, ticksOf } from './layout.ts';
import type { HeldLease, LaneLease } from './consumers.ts';
import { loose, type Standing } from './lease-book.ts';
import { type Ledger, tallyOf } from './ledger.ts';
import { factsText, parseFacts } from './need-text.ts';
import { reserve } from './publish.ts';
import { rememberFromEnd } from './repetitions.ts';
import {
  endLanes,
  endLoose,
  indexOf,
  makeReady,
  noteHead,
  removeAcked,
  removeMany,
  setState,
  takeBack,
} from './return.ts';
import type { Session } from './session.ts';
import { describe } from '../../message/failure.ts';
import { stepAside } from './step-aside.ts';
import { listFacts, noteFailure, record, redrivenAt } from './story.ts';

/** @param serial - of the call; what acks publish is stored in the order of the calls */
export function settleOne(session: Session, settlement: Settlement, serial: number): SettleOutcome {
  const standing = standingOf(session, settlement.delivery);
  if (standing === null) return notStanding(session, settlement);
  session.book.touch(standing.lease);
  if (settlement.kind !== 'ack') noteDelivery(session.ledger, standing);
  switch (settlement.kind) {
    case 'ack':
      return ack(session, standing, { settlement, serial });
    case 'retry':
      return retry(session, standing, settlement);
    case 'release':
      return release(session, standing, settlement.afterMs);
    case 'park':
      return park(session, standing, settlement.facts);
    case 'dead-letter':
      die(session, standing, settlement);
      return 'settled';
  }
}

/** With all of its history: that it went out. Those that are acked have it in `ml_past`. */
function noteDelivery(ledger: Ledger, { lease, delivery }: Standing): void {
  if (ledger.keepDoneMs === 0) return;
  const { attempt, tag } = delivery;
  record(ledger, tag, { event: 'delivered', attempt, at: lease.deliveredAt });
}

/** Removes what was acked and ends the leases that are done. */
export function finishSettling(session: Session): void {
  const single: number[] = [];
  const ended: LaneLease[] = [];
  for (const lease of session.book.touched) {
    if (lease.ended) continue;
    if (lease.kind === 'loose') {
      removeAcked(session, lease);
      if (lease.left === 0) endLoose(session, lease);
      continue;
    }
    if (session.ledger.keepDoneMs === 0 && isSingle(lease)) {
      single.push(lease.ids[0]!);
      lease.removed = 1;
    } else {
      removeAcked(session, lease);
    }
    if (lease.next === lease.ids.length) ended.push(lease);
  }
  removeMany(session.ledger, single);
  endLanes(session, ended);
}

/** Just one message was out, it is acked, and it has no story. */
function isSingle({ ids, next, removed, storied }: LaneLease): boolean {
  return ids.length === 1 && next === 1 && removed === 0 && storied.length === 0;
}

export function standingOf({ book }: Pick<Session, 'book'>, delivery: Delivery): Standing | null {
  const lease = book.find(delivery.lease);
  if (lease === null) return null;
  if (lease.kind === 'lane') {
    const index = lease.next;
    return lease.ids[index] === delivery.tag ? { lease, index, delivery } : null;
  }
  const index = indexOf(lease, delivery.tag);
  return lease.settled[index] === loose.out ? { lease, index, delivery } : null;
}

/**
 * A valid lease, yet not this message's turn: asked again after a call that failed when a part of
 * it was in the file already, or behind an ack that found no room.
 */
function notStanding({ book }: Session, { kind, delivery }: Settlement): SettleOutcome {
  const lease = book.find(delivery.lease);
  if (kind !== 'ack' || lease?.kind !== 'lane') return 'lease-lost';
  const index = lease.ids.indexOf(delivery.tag);
  if (index < 0) return 'lease-lost';
  return index < lease.next ? 'settled' : 'full';
}

function ack(
  session: Session,
  { lease, index }: Standing,
  acking: {
    readonly settlement: Extract<Settlement, { kind: 'ack' }>;
    readonly serial: number;
  },
): SettleOutcome {
  const { ledger, book } = session;
  const { opens, publish } = acking.settlement;
  if (publish.length > 0) {
    if (!reserve(session, publish, lease.subscription)) return 'full';
    const { serial } = acking;
    for (const outgoing of publish) session.staged.push({ outgoing, serial });
  }
  for (const fact of opens) openFact(session, fact);
  if (lease.kind === 'lane') {
    lease.next += 1;
  } else {
    lease.settled[index] = loose.acked;
    lease.left -= 1;
  }
  book.out -= 1;
  rememberFromEnd(ledger, acking.settlement.delivery);
  const tally = tallyOf(ledger, lease.subscription);
  tally.leased -= 1;
  tally.done += 1;
  return 'settled';
}

function retry(
  session: Session,
  { lease, index, delivery }: Standing,
  { afterMs, failure }: Extract<Settlement, { kind: 'retry' }>,
): SettleOutcome {
  const { ledger } = session;
  const { attempt, tag: id } = delivery;
  noteFailure(ledger, id, failure);
  record(ledger, id, { event: 'retried', attempt, detail: describe(failure) });
  const freed = takeBack(session, lease, index);
  // Its process survived it: whatever a crash said about this message is answered.
  noteHead(ledger, freed, { id, attempt, marks: mark.storied });
  makeReady(ledger, freed, { marks: 0, since: ledger.now, afterMs });
  return 'settled';
}

function release(
  session: Session,
  { lease, index, delivery }: Standing,
  afterMs: number,
): SettleOutcome {
  const { ledger } = session;
  const { attempt, acceptedAt, tag: id } = delivery;
  record(ledger, id, { event: 'released', attempt });
  const before = marksOf(lease, id);
  const marks = ledger.keepsJournal ? before | mark.storied : before;
  const freed = takeBack(session, lease, index);
  if (freed.isNew || marks !== before) {
    noteHead(ledger, freed, { id, attempt: attempt - 1, marks });
  }
  makeReady(ledger, freed, { marks, since: acceptedAt, afterMs });
  return 'settled';
}

function park(
  session: Session,
  { lease, index, delivery }: Standing,
  facts: readonly string[],
): SettleOutcome {
  const { ledger } = session;
  const { attempt, acceptedAt, tag: id } = delivery;
  const lacking = lackingOf(ledger, facts);
  const before = marksOf(lease, id) & mark.storied;
  const isNoted = ledger.keepDoneMs > 0 || (lacking !== null && ledger.keepsJournal);
  const marks = isNoted ? mark.storied : before;
  // What its handler waits for is kept like what it was published with: a fact may be revoked.
  const needs = [...new Set([...factsOf(ledger, id), ...facts])];
  ledger.messages.setFacts.run(factsText(needs), id);
  const freed = takeBack(session, lease, index);
  noteHead(ledger, freed, { id, attempt: attempt - 1, marks });
  if (lacking === null) {
    makeReady(ledger, freed, { marks, since: acceptedAt, afterMs: 0 });
    return 'not-parked';
  }
  record(ledger, id, { event: 'parked', attempt, detail: listFacts(lacking) });
  const since = before === 0 ? acceptedAt : (redrivenAt(ledger, id) ?? acceptedAt);
  const deadlineAt = since + lease.subscription.waitingDeadlineMs;
  let { lane } = freed;
  if (lease.subscription.overtakes && delivery.key !== null) {
    lane = stepAside(ledger, lease.subscription, { id, lane, deadlineAt });
  } else {
    const readyAt = ticksOf(deadlineAt);
    const { waiting: state } = laneState;
    setState(ledger, freed, { state, readyAt, flags: laneFlag.none, isCold: true });
  }
  startWaiting(ledger, lane, needs, deadlineAt);
  const tally = tallyOf(ledger, lease.subscription);
  tally.ready -= 1;
  tally.waiting += 1;
  return 'settled';
}

function factsOf({ messages }: Ledger, id: number): readonly string[] {
  return parseFacts(messages.facts.get(id)?.[0] ?? null);
}

/** What the mark of a leased message is in the file; fresh ones have none. */
export function marksOf(lease: HeldLease, id: number): number {
  if (lease.kind === 'loose') return 0;
  const story = lease.storied.includes(id) ? mark.storied : 0;
  return lease.ids[0] === id ? lease.level | story : story;
}
