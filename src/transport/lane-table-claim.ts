/**
 * Which messages a consumer is handed next.
 *
 * The lane with the oldest head goes first: that keeps the hottest key moving, and with it the
 * whole backlog. Every fourth turn belongs to the lane that has been ready longest without a turn,
 * so that old backlogs never hide quiet keys. One lane takes at most a quarter of the credit while
 * others are ready.
 *
 * Suspects (see `Suspicion`) go out within the consumer's slots, or alone in their process. When it
 * is the turn of one that must be alone, its process claims nothing else: it has to fall silent
 * first. Its turn comes by the age of its last crash, so that what was accepted before is done
 * before the next process dies of it.
 */

import { noNeeds } from '../message/need.ts';
import {
  cautionOf,
  type Claimant,
  type Entry,
  type HeldLease,
  type Lane,
  type LaneTable,
  type Step,
} from './lane-table.ts';
import {
  isOlder,
  leaveState,
  olderLane,
  promote,
  raise,
  setLaneState,
} from './lane-table-lanes.ts';
import { factsLacking } from './lane-table-waiting.ts';
import { append, unlink } from './linked-list.ts';
import type { Delivery, Lease, Need } from './transport.ts';

/** The next deliveries, at most as many as the claimant's credit and `limit` allow. */
export function claim(
  table: LaneTable,
  claimant: Claimant,
  step: Step,
  limit: number = claimant.credit,
): Delivery[] {
  promote(table, step);
  const taking: Taking = { table, claimant, step, most: 0, batch: [], cut: [], done: [] };
  if (table.paused) return taking.batch;
  const share = Math.max(1, Math.ceil(claimant.credit / 4));
  let room = Math.min(limit, claimant.credit);
  while (room > 0 && !claimant.holder.secluded) {
    const lane = chooseLane(table, claimant);
    if (lane === null) break;
    const before = claimant.credit;
    taking.most = countReady(table) > 1 ? Math.min(room, share) : room;
    if (lane === 'fresh') claimFresh(taking);
    else claimLane(taking, lane);
    room -= before - claimant.credit;
  }
  return taking.cut.length === 0 ? taking.batch : lengthen(taking, room);
}

/** Whether it is the turn of a message that goes out alone in its process. */
export function wantsSeclusion(table: LaneTable): boolean {
  const secluded = table.secluded.items[0];
  if (secluded === undefined || table.paused) return false;
  if (table.fresh.head !== null && isOlder(table.fresh.head, secluded)) return false;
  return [table.ready.items[0], table.careful.items[0]].every(
    (lane) => olderLane(secluded, lane) === secluded,
  );
}

/** Whether a claim could find something, were there credit and slots. */
export function hasReady(table: LaneTable): boolean {
  return !table.paused && countReady(table) > 0;
}

/** Lanes to choose from; all new messages without order count as one. */
function countReady(table: LaneTable): number {
  const { ready, careful, secluded, fresh } = table;
  const lanes = ready.items.length + careful.items.length + secluded.items.length;
  return fresh.size > 0 ? lanes + 1 : lanes;
}

function chooseLane(table: LaneTable, claimant: Claimant): Lane | 'fresh' | null {
  if (wantsSeclusion(table)) return claimant.holder.held === 0 ? table.secluded.items[0]! : null;
  const turn = (table.turns += 1);
  if (turn % 8 === 0 && table.fresh.size > 0) return 'fresh';
  if (turn % 4 === 0 && table.served.head !== null) return table.served.head;
  const suspect = claimant.suspects < claimant.slots ? table.careful.items[0] : undefined;
  const lane = olderLane(table.ready.items[0], suspect);
  const fresh = table.fresh.head;
  if (fresh === null) return lane ?? null;
  return lane === undefined || isOlder(fresh, lane) ? 'fresh' : lane;
}

interface Taking {
  readonly table: LaneTable;
  readonly claimant: Claimant;
  readonly step: Step;
  /** How many the next lease may have. */
  most: number;
  batch: Delivery[];
  /** Leases that were cut short for the sake of others, each the last of its batch in `done`. */
  readonly cut: HeldLease[];
  readonly done: Delivery[][];
}

function claimFresh({ table, claimant, step, most, batch }: Taking): void {
  const held = startLease(table, claimant, { lane: null, caution: 'none', at: step.now });
  const lease = { id: held.id, token: held.token };
  let taken = 0;
  for (let entry = table.fresh.head; entry !== null && taken < most; entry = table.fresh.head) {
    unlink(table.fresh, entry);
    append(held, entry);
    batch.push(lend(entry, held, { lease, lacking: null }));
    taken += 1;
  }
  charge(table, held, taken);
}

function claimLane(taking: Taking, lane: Lane): void {
  const { table, claimant, step } = taking;
  const head = lane.head!;
  leaveState(table, lane);
  // A fact may have been revoked since the lane became ready; `raise` knows about deadlines.
  const lacking = factsLacking(table, head);
  const waitTimedOut = lacking !== null;
  if (waitTimedOut) {
    raise(table, lane, step);
    if (lane.state === 'waiting' || lane.head !== head) return;
    leaveState(table, lane);
  }
  const held = startLease(table, claimant, { lane, caution: cautionOf(head), at: step.now });
  const lease = { id: held.id, token: held.token };
  setLaneState(table, lane, 'leased');
  lane.lease = held;
  taking.batch.push(lend(head, held, { lease, lacking }));
  const isLast = waitTimedOut || head.attempt > 1 || head.story?.wasBehind === true;
  held.covered = isLast ? 1 : 1 + follow(taking, held, { from: head.next, lease, covered: 1 });
  charge(table, held, held.covered);
  if (isLast || held.covered < taking.most || held.covered === lane.size) return;
  taking.cut.push(held);
  taking.done.push(taking.batch);
  taking.batch = [];
}

interface Following {
  readonly from: Entry | null;
  readonly lease: Lease;
  readonly covered: number;
}

/** Adds entries from `from` on to a lease, as long as they may be delivered in its company. */
function follow({ table, most, batch }: Taking, held: HeldLease, following: Following): number {
  const { from, lease, covered } = following;
  let taken = 0;
  for (let entry = from; entry !== null && covered + taken < most; entry = entry.next) {
    if (!mayFollow(table, entry)) break;
    batch.push(lend(entry, held, { lease, lacking: null }));
    taken += 1;
    if (entry.attempt > 1) break;
  }
  return taken;
}

/** What credit the others left goes to the leases that were cut short, the oldest first. */
function lengthen(taking: Taking, left: number): Delivery[] {
  const { cut, done, table } = taking;
  let room = left;
  done.push(taking.batch);
  cut.forEach((held, index) => {
    const lane = held.lane!;
    const last = done[index]!.at(-1)!;
    if (room === 0 || last.attempt > 1) return;
    taking.batch = done[index]!;
    taking.most = held.covered + room;
    const from = entryAfter(lane, held.covered);
    const { lease } = last;
    const taken = follow(taking, held, { from, lease, covered: held.covered });
    held.covered += taken;
    charge(table, held, taken);
    room -= taken;
  });
  return done.flat();
}

function entryAfter(lane: Lane, covered: number): Entry | null {
  let entry = lane.head;
  for (let index = 0; index < covered && entry !== null; index++) entry = entry.next;
  return entry;
}

function mayFollow(table: LaneTable, entry: Entry): boolean {
  if (entry.needs.length === 0 && entry.story === null) return true;
  if (entry.story?.wasBehind) return false;
  return cautionOf(entry) === 'none' && factsLacking(table, entry) === null;
}

function startLease(
  table: LaneTable,
  claimant: Claimant,
  terms: Pick<HeldLease, 'lane' | 'caution' | 'at'>,
): HeldLease {
  const { id, token } = table.nextLease();
  const held: HeldLease = {
    id,
    token,
    table,
    claimant,
    ...terms,
    covered: 0,
    head: null,
    tail: null,
    size: 0,
    previous: null,
    next: null,
  };
  append(claimant.holder, held);
  if (held.caution !== 'none') claimant.suspects += 1;
  if (held.caution === 'secluded') claimant.holder.secluded = true;
  return held;
}

function charge(table: LaneTable, held: HeldLease, taken: number): void {
  table.counts.ready -= taken;
  table.counts.leased += taken;
  held.claimant.credit -= taken;
  held.claimant.holder.held += taken;
}

function lend(
  entry: Entry,
  held: HeldLease,
  { lease, lacking }: { readonly lease: Lease; readonly lacking: readonly Need[] | null },
): Delivery {
  const waitTimedOut = lacking !== null;
  const { message } = entry;
  entry.state = 'leased';
  entry.lease = held;
  // Who was released once is not held again, whatever is revoked from now on.
  if (!waitTimedOut && entry.needs.length > 0) entry.needs = noNeeds;
  if (!waitTimedOut && entry.story !== null) entry.story.parkedFor = noNeeds;
  return {
    lease,
    subscription: held.table.subscription,
    id: message.id,
    topic: message.topic,
    body: message.body,
    headers: message.headers,
    key: entry.key,
    acceptedAt: entry.acceptedAt,
    attempt: entry.attempt,
    suspicion: entry.story === null ? 'none' : entry.story.suspicion,
    waitTimedOut,
    lacking: lacking ?? noNeeds,
    tag: entry.tag,
  };
}
