/**
 * The consumptions of this process: what they were granted, what they hold, and what a turn has
 * found for them.
 */

import type { Delivery, Lease, Sink } from '../../transport/transport.ts';
import type { Subscription } from './topology.ts';

export interface Consumer {
  readonly name: string;
  readonly sink: Sink;
  readonly slots: number;
  /** Null while no subscription has the name. */
  subscription: Subscription | null;
  credit: number;
  /** Suspects out. */
  suspects: number;
  isStopped: boolean;
  /** The sequence of the file as of which no loose message was left unclaimed; -1: not known. */
  drainedAt: number;
  readonly found: Found;
}

/** What one turn claims for a consumer; becomes true with the commit. */
export interface Found {
  /** Credit that is left in this turn. */
  room: number;
  /** No lane of the subscription is ready that is older than what is published now. */
  isCaughtUp: boolean;
  /** No loose message is left unclaimed. */
  isDrained: boolean;
  /** There may be more suspects than were looked at. */
  hasSuspects: boolean;
  suspects: number;
  readonly lanes: Delivery[];
  readonly loose: Delivery[];
  batch: LaneBatch | null;
  /** Lanes claimed from the ready ones, and the range of those opened by this turn. */
  readonly claimed: number[];
  opened: { lo: number; hi: number } | null;
  lease: LooseLease | null;
  readonly leases: LaneLease[];
}

/** A row of `ml_lease` that stands for several lanes, and how many of them are still out. */
export interface LaneBatch {
  readonly id: number;
  left: number;
}

interface Held {
  readonly id: number;
  readonly subscription: Subscription;
  readonly consumer: Consumer;
  readonly deliveredAt: number;
  touched: boolean;
  ended: boolean;
}

/** A run of messages from the head of one lane; they are settled in order. */
export interface LaneLease extends Held {
  readonly kind: 'lane';
  readonly lane: number;
  readonly ids: readonly number[];
  /** Ids that have a story, which must go with them. */
  readonly storied: readonly number[];
  /** The level of suspicion of its only message. */
  readonly level: number;
  readonly batch: LaneBatch;
  /** How many are settled, and how many of those are out of the file. */
  next: number;
  removed: number;
  before: { readonly next: number; readonly removed: number };
}

/** Fresh messages without order; they are settled in any order. */
export interface LooseLease extends Held {
  readonly kind: 'loose';
  readonly handle: Lease;
  /** Ascending; complete once the turn that claimed them ends. */
  readonly ids: number[];
  /** By index: what `lease-book.ts` calls `loose`. */
  settled: Uint8Array;
  left: number;
  before: { readonly settled: Uint8Array; readonly left: number } | null;
}

export type HeldLease = LaneLease | LooseLease;

export function createConsumer(name: string, slots: number, sink: Sink): Consumer {
  return {
    name,
    sink,
    slots,
    subscription: null,
    credit: 0,
    suspects: 0,
    isStopped: false,
    drainedAt: -1,
    found: {
      room: 0,
      isCaughtUp: false,
      isDrained: false,
      hasSuspects: false,
      suspects: 0,
      lanes: [],
      loose: [],
      batch: null,
      claimed: [],
      opened: null,
      lease: null,
      leases: [],
    },
  };
}

/** @param limit - how many messages a turn may claim at most */
export function beginFinding(consumer: Consumer, limit: number): void {
  const { found } = consumer;
  const { subscription } = consumer;
  const isOpen =
    subscription !== null && !subscription.isGone && !subscription.isPaused && !consumer.isStopped;
  found.room = isOpen ? Math.min(consumer.credit, limit) : 0;
  found.isCaughtUp = false;
  found.isDrained = false;
  found.hasSuspects = false;
  found.suspects = 0;
  found.lanes.length = 0;
  found.loose.length = 0;
  found.batch = null;
  found.claimed.length = 0;
  found.opened = null;
  found.lease = null;
  found.leases.length = 0;
}
