/**
 * The consumptions of this process: what they were granted, and what a turn has found for them.
 */

import type { Delivery, Sink } from '../../transport/transport.ts';
import type { LaneBatch, LaneLease, LooseLease } from './lease-book.ts';
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
