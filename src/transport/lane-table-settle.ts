/**
 * How delivered messages come back to a lane table: settled, given back, or left behind by a
 * process that died.
 *
 * Every settlement first finds the entry under the very lease of the delivery; null answers mean
 * that the lease is no longer valid (or that the delivery is not at the head of its lane), and
 * that nothing changed.
 */

import { isMet } from '../message/need.ts';
import {
  cautionOf,
  record,
  recordDelivery,
  storyOf,
  type Accused,
  type Entry,
  type HeldLease,
  type Holder,
  type Lane,
  type LaneTable,
  type Step,
  type Story,
} from './lane-table.ts';
import {
  forget,
  holdUntil,
  ownLane,
  raise,
  setEntryState,
  setLaneState,
} from './lane-table-lanes.ts';
import { unlink } from './linked-list.ts';
import { describe } from '../message/failure.ts';
import type { Delivery, Failure, Lease, Need, Suspicion } from './transport.ts';

/** The entry of a delivery, if its lease is valid and it may be settled now. */
export function heldEntry(table: LaneTable, delivery: Delivery): Entry | null {
  return inItsTurn(coveredEntry(table, delivery));
}

/** The same of an entry that its transport has found by itself. */
export function inItsTurn(entry: Entry | null): Entry | null {
  const lane = entry?.lease?.lane ?? null;
  return lane === null || lane.head === entry ? entry : null;
}

/** The same, also for a delivery whose turn in its lane has not come yet. */
export function coveredEntry(table: LaneTable, { tag, lease }: Delivery): Entry | null {
  const entry = table.byTag.get(tag);
  return entry?.lease?.id === lease.id ? entry : null;
}

export function ack(table: LaneTable, entry: Entry, step: Step): void {
  if (step.keepDoneMs > 0) {
    recordDelivery(entry, step);
    record(entry, step, { event: 'acked' });
  }
  table.counts.leased -= 1;
  table.counts.done += 1;
  takeOut(table, entry);
  release(table, entry, step);
}

/** What becomes of the entries that the dead one leaves behind it in a diverting lane. */
export interface Death {
  /** The lease, where it ended although followers of the dead message were out under it. */
  readonly cut: Lease | null;
  /** The followers, which left the table too. */
  readonly diverted: readonly Entry[];
  readonly effect: 'none' | 'blocked' | 'diverted';
}

/** Takes a leased message out as dead, and shuts its lane where the subscription says so. */
export function die(table: LaneTable, entry: Entry, step: Step): Death {
  const held = entry.lease!;
  const { lane } = held;
  const { onDead } = table.settings;
  recordDelivery(entry, step);
  table.counts.leased -= 1;
  takeOut(table, entry);
  if (lane === null) {
    release(table, entry, step);
    return { cut: null, diverted: [], effect: 'none' };
  }
  held.covered -= 1;
  held.claimant.holder.held -= 1;
  const cut = held.covered > 0 ? { id: held.id, token: held.token } : null;
  putBack(table, held);
  if (lane.key === null || onDead === 'skip') {
    raise(table, lane, step);
    return { cut, diverted: [], effect: 'none' };
  }
  if (onDead === 'block') {
    setLaneState(table, lane, 'blocked');
    return { cut, diverted: [], effect: 'blocked' };
  }
  setLaneState(table, lane, 'diverting');
  return { cut, diverted: empty(table, lane), effect: 'diverted' };
}

export interface Retry {
  readonly afterMs: number;
  readonly failure: Failure;
}

export function retry(table: LaneTable, entry: Entry, retrying: Retry, step: Step): void {
  const story = storyOf(entry);
  noteFailure(entry, retrying.failure);
  acquit(story);
  recordDelivery(entry, step);
  record(entry, step, { event: 'retried', detail: describe(retrying.failure) });
  const lane = takeBack(table, entry);
  entry.attempt += 1;
  entry.readyAt = step.now + Math.max(0, retrying.afterMs);
  if (retrying.afterMs > 0) holdUntil(table, lane, entry.readyAt);
  else raise(table, lane, step);
}

/** Its process survived it: whatever a crash said about the message is answered. */
function acquit(story: Story): void {
  story.suspicion = 'none';
  story.crashesBeside = 0;
  story.wasBehind = false;
}

/** Back in its place, its attempt unspent. */
export function giveBack(table: LaneTable, entry: Entry, afterMs: number, step: Step): void {
  recordDelivery(entry, step);
  record(entry, step, { event: 'released' });
  const lane = takeBack(table, entry);
  if (afterMs > 0) holdUntil(table, lane, step.now + afterMs);
  else raise(table, lane, step);
}

/** Back in its place until the facts hold. Answers whether it has to wait at all. */
export function park(
  table: LaneTable,
  entry: Entry,
  facts: readonly Need[],
  step: Step,
): 'parked' | 'not-parked' {
  const story = storyOf(entry);
  story.parkedFor = facts;
  recordDelivery(entry, step);
  acquit(story);
  const holds = facts.every((need) => isMet(need, table.facts));
  raise(table, takeBack(table, entry), step);
  return holds ? 'not-parked' : 'parked';
}

/** Takes back all that one process holds here or anywhere, its attempts unspent. */
export function giveBackAll(holder: Holder, step: Step): void {
  for (let held = holder.head; held !== null; held = holder.head) {
    for (const entry of coveredBy(held)) record(entry, step, { event: 'released' });
    endLease(held, step);
  }
}

/** Ends every lease that one process has in one table; answers the leases. */
export function endLeases(holder: Holder, table: LaneTable, step: Step): Lease[] {
  const ended: Lease[] = [];
  for (let held = holder.head, next = held; held !== null; held = next) {
    next = held.next;
    if (held.table !== table) continue;
    ended.push({ id: held.id, token: held.token });
    endLease(held, step);
  }
  return ended;
}

/**
 * Takes back all that a process held that no longer answers. The head of a lane, and every message
 * without order, spent its attempt and is a suspect from now on; what stood behind a head cannot
 * have been running. Answers how many messages came back, per table.
 */
export function takeOver(holder: Holder, step: Step): Map<LaneTable, number> {
  const suspicion = holder.held === 1 ? 'alone' : 'beside';
  const taken = new Map<LaneTable, number>();
  for (let held = holder.head; held !== null; held = holder.head) {
    const { table } = held;
    const entries = coveredBy(held);
    taken.set(table, (taken.get(table) ?? 0) + entries.length);
    const suspects = held.lane === null ? entries : entries.slice(0, 1);
    for (const entry of suspects) suspect(entry, suspicion, step);
    endLease(held, step);
  }
  return taken;
}

/** Counts a crash against a message. What was once seen alone stays under that suspicion. */
export function suspect(accused: Accused, suspicion: Suspicion, step: Step): void {
  const story = storyOf(accused);
  record(accused, step, { event: 'crashed', detail: suspicion });
  accused.attempt += 1;
  if (suspicion === 'beside') story.crashesBeside += 1;
  if (story.suspicion !== 'alone') story.suspicion = suspicion;
  if (cautionOf(accused) === 'secluded') accused.readyAt = step.now;
}

export function noteFailure(entry: Entry, failure: Failure | null): void {
  if (failure === null) return;
  const story = storyOf(entry);
  story.firstFailure ??= failure;
  story.lastFailure = failure;
}

export function coveredBy(held: HeldLease): Entry[] {
  const entries: Entry[] = [];
  let entry = held.lane === null ? held.head : held.lane.head;
  for (let left = held.lane === null ? held.size : held.covered; left > 0; left--) {
    entries.push(entry!);
    entry = entry!.next;
  }
  return entries;
}

/** Ends a lease with everything under it back in its place. */
function endLease(held: HeldLease, step: Step): void {
  const { table, lane } = held;
  const loose = lane === null ? coveredBy(held) : [];
  putBack(table, held);
  for (const entry of loose) raise(table, ownLane(table, entry), step);
  if (lane !== null) raise(table, lane, step);
}

/** An entry of the lease left the table: the lease shrinks, and ends with its last entry. */
function release(table: LaneTable, entry: Entry, step: Step): void {
  const held = entry.lease!;
  entry.lease = null;
  held.claimant.holder.held -= 1;
  const { lane } = held;
  if (lane === null) {
    if (held.size === 0) finish(held);
    return;
  }
  held.covered -= 1;
  if (held.covered > 0) return;
  lane.lease = null;
  finish(held);
  raise(table, lane, step);
}

/** Takes one entry back from its lease, and its lane with it. The lane is in no heap after that. */
function takeBack(table: LaneTable, entry: Entry): Lane {
  const held = entry.lease!;
  if (held.lane !== null) {
    putBack(table, held);
    return held.lane;
  }
  unlink(held, entry);
  entry.lease = null;
  setEntryState(table, entry, 'ready');
  held.claimant.holder.held -= 1;
  if (held.size === 0) finish(held);
  return ownLane(table, entry);
}

/** Everything that a lease still covers is ready again, and the lease is over. */
function putBack(table: LaneTable, held: HeldLease): void {
  for (const entry of coveredBy(held)) {
    setEntryState(table, entry, 'ready');
    entry.lease = null;
    held.claimant.holder.held -= 1;
    if (held.lane === null) unlink(held, entry);
  }
  held.covered = 0;
  if (held.lane !== null) held.lane.lease = null;
  finish(held);
}

function finish(held: HeldLease): void {
  const { claimant } = held;
  unlink(claimant.holder, held);
  if (held.caution !== 'none') claimant.suspects -= 1;
  if (held.caution === 'secluded') claimant.holder.secluded = false;
}

function takeOut(table: LaneTable, entry: Entry): void {
  forget(table, entry);
  const held = entry.lease!;
  unlink(held.lane ?? held, entry);
}

/** Takes every entry out of a lane that has no lease. */
function empty(table: LaneTable, lane: Lane): Entry[] {
  const entries: Entry[] = [];
  for (let entry = lane.head; entry !== null; entry = lane.head) {
    unlink(lane, entry);
    entry.lane = null;
    table.counts[entry.state] -= 1;
    forget(table, entry);
    entries.push(entry);
  }
  return entries;
}
