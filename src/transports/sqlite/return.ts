/**
 * How messages leave a lease: removed because they are done, or taken back into their lane.
 *
 * A loose message that is taken back becomes a lane of its own. A lane keeps its messages; what
 * changes is the mark of its head and the state of the lane.
 */

import { laneFlag, readyState, ticksOf } from './layout.ts';
import type { HeldLease, LaneLease, LooseLease } from './consumers.ts';
import { loose } from './lease-book.ts';
import { type Ledger, tallyOf } from './ledger.ts';
import type { Session } from './session.ts';
import { keepAcked } from './past.ts';
import { forgetFailures, forgetStory } from './story.ts';
import type { Subscription } from './topology.ts';
import { runForEach } from './writes.ts';
import { rowsPerStatement } from './statements/sql.ts';

/** From this back-off on a lane is cold: it should not stand between the live ones. */
const coldFromMs = 5_000;

/** A lane that has no lease any more and needs a state. */
export interface Freed {
  readonly lane: number;
  /** The message that was settled. */
  readonly head: number;
  readonly isNew: boolean;
  readonly subscription: Subscription;
}

export interface NextState {
  readonly state: number;
  /** In ticks. */
  readonly readyAt: number;
  readonly flags: number;
  readonly isCold: boolean;
}

/** Ends the hold on one message, and on what is behind it in its lane; all count as ready. */
export function takeBack(session: Session, lease: HeldLease, index: number): Freed {
  const { ledger, book } = session;
  const { subscription } = lease;
  const tally = tallyOf(ledger, subscription);
  if (lease.kind === 'loose') {
    const lane = lease.ids[index]!;
    lease.settled[index] = loose.gone;
    lease.left -= 1;
    book.out -= 1;
    tally.leased -= 1;
    tally.ready += 1;
    return { lane, head: lane, isNew: true, subscription };
  }
  removeAcked(session, lease);
  const count = lease.ids.length - lease.next;
  book.out -= count;
  tally.leased -= count;
  tally.ready += count;
  endLaneLease(session, lease);
  return { lane: lease.lane, head: lease.ids[index]!, isNew: false, subscription };
}

/** Writes what is different about the head of a freed lane. */
export function noteHead(
  { messages }: Ledger,
  { lane, isNew }: Freed,
  head: { readonly id: number; readonly attempt: number; readonly marks: number },
): void {
  if (isNew) messages.setAside.run(head.attempt, head.marks, lane);
  else messages.note.run(head.attempt, head.marks, head.id);
}

export function setState(ledger: Ledger, freed: Freed, next: NextState): void {
  const { lane, isNew, subscription } = freed;
  const { state, readyAt, flags, isCold } = next;
  const cold = isCold ? 1 : 0;
  if (isNew) {
    ledger.lanes.add.run(lane, subscription.number, 0, null, cold, state, readyAt, null, 0, flags);
  } else if (isCold) {
    ledger.lanes.giveBackAt.run(state, readyAt, flags, 1, lane);
    ledger.anyCold = true;
  } else {
    ledger.lanes.giveBack.run(state, readyAt, flags, lane);
  }
}

/** Ready again: at once by the age of its head, or not before some time has passed. */
export function makeReady(
  ledger: Ledger,
  freed: Freed,
  ready: { readonly marks: number; readonly since: number; readonly afterMs: number },
): void {
  const { marks, since, afterMs } = ready;
  const state = readyState(marks);
  if (afterMs <= 0) {
    const readyAt = ticksOf(since, freed.head);
    setState(ledger, freed, { state, readyAt, flags: laneFlag.none, isCold: false });
    ledger.stirred = true;
    return;
  }
  const dueAt = Math.ceil(ledger.now + afterMs);
  const readyAt = ticksOf(dueAt, freed.head);
  const isCold = afterMs >= coldFromMs;
  setState(ledger, freed, { state, readyAt, flags: laneFlag.retrying, isCold });
  const tally = tallyOf(ledger, freed.subscription);
  tally.ready -= 1;
  tally.retrying += 1;
  if (dueAt < ledger.dueAt) ledger.dueAt = dueAt;
}

/** Removes the acked messages of a lease from the file, with their stories. */
export function removeAcked(session: Session, lease: HeldLease): void {
  if (lease.kind === 'lane') removePrefix(session.ledger, lease);
  else removeRanges(session.ledger, lease);
}

export function removeMany({ messages }: Ledger, ids: readonly number[]): void {
  const { remove, removeMany: many, removeRange } = messages;
  runForEach(ids, { one: remove, many, range: removeRange });
}

/** Lanes whose leased run is settled: gone, or ready with their next message. */
export function endLanes(session: Session, leases: readonly LaneLease[]): void {
  const { lanes } = session.ledger;
  for (const lease of leases) endLaneLease(session, lease);
  const numbers = leases.map(({ lane }) => lane);
  const { end, endMany, endRange } = lanes;
  if (runForEach(numbers, { one: end, many: endMany, range: endRange }) === numbers.length) return;
  for (const lane of survivors(lanes, numbers)) goOn(session.ledger, lane);
}

function survivors(lanes: Ledger['lanes'], numbers: readonly number[]): number[] {
  const found: number[] = [];
  let from = 0;
  for (; from + rowsPerStatement <= numbers.length; from += rowsPerStatement) {
    found.push(...lanes.existMany.all(...numbers.slice(from, from + rowsPerStatement)).flat());
  }
  const rest = numbers.slice(from).filter((lane) => lanes.exists.get(lane) !== undefined);
  return [...found, ...rest];
}

/** A lane whose lease is over is ready by the age and the mark of its head. */
export function goOn(ledger: Ledger, lane: number): void {
  const head = ledger.messages.headOfLane.get(lane);
  if (head === undefined) {
    ledger.lanes.remove.run(lane);
    return;
  }
  const [id, acceptedAt, , marks] = head;
  ledger.lanes.giveBack.run(readyState(marks), ticksOf(acceptedAt, id), laneFlag.none, lane);
  ledger.stirred = true;
}

/** The same for a lane that stood still. */
export function letGoOn(ledger: Ledger, lane: number): void {
  const head = ledger.messages.headOfLane.get(lane);
  if (head === undefined) {
    ledger.lanes.remove.run(lane);
    return;
  }
  const [id, acceptedAt, , marks] = head;
  const readyAt = ticksOf(acceptedAt, id);
  ledger.lanes.giveBackAt.run(readyState(marks), readyAt, laneFlag.none, 0, lane);
  ledger.stirred = true;
}

export function endLoose({ ledger }: Session, lease: LooseLease): void {
  lease.ended = true;
  ledger.lanes.removeLease.run(lease.id);
}

/** The place of a message in a loose lease, or -1. */
export function indexOf({ ids }: LooseLease, id: number): number {
  let low = 0;
  let high = ids.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ids[middle]! < id) low = middle + 1;
    else high = middle;
  }
  return ids[low] === id ? low : -1;
}

function endLaneLease({ ledger }: Session, lease: LaneLease): void {
  lease.ended = true;
  lease.batch.left -= 1;
  if (lease.batch.left === 0) ledger.lanes.removeLease.run(lease.batch.id);
}

function removePrefix(ledger: Ledger, lease: LaneLease): void {
  const { ids, next, removed } = lease;
  if (next === removed) return;
  const last = ids[next - 1]!;
  keepAcked(ledger, lease, [lease.lane, last]);
  if (next - removed === 1) ledger.messages.remove.run(last);
  else ledger.messages.removePrefix.run(lease.lane, last);
  const first = ids[removed]!;
  const forget = ledger.keepDoneMs === 0 ? forgetStory : forgetFailures;
  for (const id of lease.storied) if (id >= first && id <= last) forget(ledger, id);
  lease.removed = next;
}

/** Everything between two acked messages is settled too, or a lane of its own by now. */
function removeRanges(ledger: Ledger, lease: LooseLease): void {
  const { messages } = ledger;
  const { ids, settled } = lease;
  for (let index = 0; index < ids.length; index++) {
    if (settled[index] !== loose.acked) continue;
    let end = index;
    for (let next = index + 1; next < ids.length && settled[next] !== loose.out; next++) {
      if (settled[next] === loose.acked) end = next;
    }
    keepAcked(ledger, lease, [ids[index]!, ids[end]!]);
    if (index === end) messages.remove.run(ids[index]!);
    else messages.removeLoose.run(ids[index]!, ids[end]!);
    settled.fill(loose.gone, index, end + 1);
    index = end;
  }
}
