/**
 * Settling where an ack is not one step with what goes with it: what has to be stored before is
 * prepared in the very call, so that what a handler publishes keeps its place among the other
 * publishes of its process, and settled when that is confirmed.
 */

import type { Delivery } from './delivery.ts';
import type { Settlement } from './transport.ts';

/** Whether a batch can be settled in one synchronous step. */
export function isPlain(batch: readonly Settlement[]): boolean {
  return batch.every(
    (one) => one.kind === 'ack' && one.opens.length === 0 && one.publish.length === 0,
  );
}

/** What the settlements of a connection that are under way leave open. */
export interface Pending {
  /** Deliveries that are being settled, by lease and tag. */
  readonly deliveries: Set<string>;
  /** Leases of lanes: nobody's turn comes, or the lease ends. */
  readonly leases: Map<number, 'stuck' | 'ended'>;
}

export function createPending(): Pending {
  return { deliveries: new Set(), leases: new Map() };
}

/**
 * Prepares every settlement whose delivery is found to be held and not being settled already.
 * Answers those for which `prepare` found no room, and what stands behind them.
 */
export function prepareEach<Found>(
  batch: readonly Settlement[],
  { deliveries, leases }: Pending,
  by: {
    find(delivery: Delivery): Found | null;
    /** Answers false when there is no room for what an ack publishes. */
    prepare(settlement: Settlement, found: Found): boolean;
  },
): ReadonlySet<Settlement> {
  const full = new Set<Settlement>();
  for (const settlement of batch) {
    const { delivery } = settlement;
    const found = by.find(delivery);
    const name = nameOf(delivery);
    if (found === null || deliveries.has(name)) continue;
    deliveries.add(name);
    const doubt = delivery.key === null ? undefined : leases.get(delivery.lease.id);
    if (doubt === 'ended') continue;
    const isFull = doubt === 'stuck' || !by.prepare(settlement, found);
    // Behind a message that found no room, the lease is still held and nobody's turn has come.
    if (isFull) full.add(settlement);
    if (delivery.key === null) continue;
    if (isFull) leases.set(delivery.lease.id, 'stuck');
    else if (settlement.kind !== 'ack') leases.set(delivery.lease.id, 'ended');
  }
  return full;
}

/** The batch is settled: nothing of it is open any more. */
export function forgetPending({ deliveries, leases }: Pending, batch: readonly Settlement[]): void {
  for (const { delivery } of batch) {
    deliveries.delete(nameOf(delivery));
    leases.delete(delivery.lease.id);
  }
}

function nameOf({ lease, tag }: Delivery): string {
  return `${lease.id} ${tag}`;
}
