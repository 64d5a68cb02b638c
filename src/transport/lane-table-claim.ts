/**
 * Which messages a consumer is handed next.
 *
 * The lane with the oldest head goes first: that keeps the hottest key moving, and with it the
 * whole backlog. Every fourth turn belongs to the lane that has been ready longest without a turn,
 * so that old backlogs never hide quiet keys. One lane takes at most a quarter of the credit while
 * others are ready.
 *
 * Suspects (see `Suspicion`) go out within the consumer's slots, or alone in their process. While
 * one that must be alone is ready, its process claims nothing else: it has to fall silent first.
 */

import {
  cautionOf,
  type Caution,
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
import type { Delivery, Lease } from './transport.ts';

/** The next deliveries, at most as many as the claimant's credit and `limit` allow. */
export function claim(
  table: LaneTable,
  claimant: Claimant,
  step: Step,
  limit: number = claimant.credit,
): Delivery[] {
  const deliveries: Delivery[] = [];
  promote(table, step);
  if (table.paused) return deliveries;
  const share = Math.max(1, Math.ceil(claimant.credit / 4));
  while (claimant.credit > 0 && deliveries.length < limit && !claimant.holder.secluded) {
    const room = Math.min(claimant.credit, limit - deliveries.length);
    const most = countReady(table) > 1 ? Math.min(room, share) : room;
    const lane = chooseLane(table, claimant);
    if (lane === 'fresh') claimFresh(table, { claimant, most, deliveries });
    else if (lane === null) break;
    else claimLane(table, lane, { claimant, most, deliveries, step });
  }
  return deliveries;
}

/** Whether a message here can only go out alone in its process. */
export function wantsSeclusion(table: LaneTable): boolean {
  return table.secluded.items.length > 0 && !table.paused;
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
  const { secluded } = table;
  if (secluded.items.length > 0) return claimant.holder.held === 0 ? secluded.items[0]! : null;
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
  readonly claimant: Claimant;
  readonly most: number;
  readonly deliveries: Delivery[];
}

function claimFresh(table: LaneTable, { claimant, most, deliveries }: Taking): void {
  const held = startLease(table, claimant, { lane: null, caution: 'none' });
  const lease = { id: held.id, token: held.token };
  let taken = 0;
  for (let entry = table.fresh.head; entry !== null && taken < most; entry = table.fresh.head) {
    unlink(table.fresh, entry);
    append(held, entry);
    deliveries.push(lend(entry, held, { lease, waitTimedOut: false }));
    taken += 1;
  }
  charge(table, held, taken);
}

function claimLane(table: LaneTable, lane: Lane, taking: Taking & { readonly step: Step }): void {
  const { claimant, most, deliveries, step } = taking;
  const head = lane.head!;
  leaveState(table, lane);
  // A fact may have been revoked since the lane became ready; `raise` knows about deadlines.
  const lacking = factsLacking(table, head) !== null;
  if (lacking) {
    raise(table, lane, step);
    if (lane.state === 'waiting') return;
    leaveState(table, lane);
  }
  const held = startLease(table, claimant, { lane, caution: cautionOf(head) });
  const lease = { id: held.id, token: held.token };
  setLaneState(table, lane, 'leased');
  lane.lease = held;
  let taken = 0;
  for (let entry: Entry | null = head; entry !== null && taken < most; entry = entry.next) {
    if (entry !== head && !mayFollow(table, entry)) break;
    deliveries.push(lend(entry, held, { lease, waitTimedOut: lacking }));
    taken += 1;
    if (lacking || entry.attempt > 1) break;
  }
  held.covered = taken;
  charge(table, held, taken);
}

function mayFollow(table: LaneTable, entry: Entry): boolean {
  if (entry.needs.length === 0 && entry.story === null) return true;
  return cautionOf(entry) === 'none' && factsLacking(table, entry) === null;
}

function startLease(
  table: LaneTable,
  claimant: Claimant,
  terms: { readonly lane: Lane | null; readonly caution: Caution },
): HeldLease {
  const { id, token } = table.nextLease();
  const held: HeldLease = {
    id,
    token,
    table,
    claimant,
    lane: terms.lane,
    caution: terms.caution,
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
  { lease, waitTimedOut }: { readonly lease: Lease; readonly waitTimedOut: boolean },
): Delivery {
  const { message } = entry;
  entry.state = 'leased';
  entry.lease = held;
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
    tag: entry.tag,
  };
}
