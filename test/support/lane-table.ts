/** A lane table with a clock and a numbering of its own, for its tests. */

import assert from 'node:assert/strict';
import {
  createHolder,
  createLaneTable,
  type Claimant,
  type LaneTable,
} from '../../src/transport/lane-table.ts';
import { claim } from '../../src/transport/lane-table-claim.ts';
import { push, type Arrival } from '../../src/transport/lane-table-lanes.ts';
import { ack, heldEntry } from '../../src/transport/lane-table-settle.ts';
import { wake } from '../../src/transport/lane-table-wake.ts';
import type { Delivery, FactId, OnDead, Outgoing } from '../../src/transport/transport.ts';

export const failure = { name: 'Error', message: 'failed on purpose' };

export interface Bench {
  readonly table: LaneTable;
  readonly facts: Set<FactId>;
  readonly diverted: string[];
  now: number;
  add(id: string, key: string | null, more?: Partial<Arrival & Outgoing>): void;
  claimant(credit?: number, slots?: number): Claimant;
  take(claimant: Claimant): string[];
  taken(claimant: Claimant): Delivery[];
  ack(delivery: Delivery): boolean;
}

export function bench(onDead: OnDead = 'skip'): Bench {
  const facts = new Set<FactId>();
  const diverted: string[] = [];
  let leases = 0;
  let order = 0;
  const table = createLaneTable({
    subscription: 'billing',
    settings: { onDead, waitingDeadlineMs: 1_000_000, waitingOrder: 'hold' },
    facts,
    nextLease: () => ({ id: ++leases, token: leases }),
    diverted: (entry) => void diverted.push(entry.message.id),
    waits: () => undefined,
  });
  const self: Bench = {
    table,
    facts,
    diverted,
    now: 1_000,
    add(id, key, more = {}) {
      order += 1;
      push(table, arrival(id, key, { order, now: self.now, ...more }), stepOf(self));
    },
    claimant: (credit = 100, slots = 10) => ({
      holder: createHolder(),
      slots,
      credit,
      suspects: 0,
    }),
    taken: (claimant) => claim(table, claimant, stepOf(self)),
    take: (claimant) => self.taken(claimant).map(({ id }) => id),
    ack(delivery) {
      const entry = heldEntry(table, delivery);
      if (entry !== null) ack(table, entry, stepOf(self));
      return entry !== null;
    },
  };
  return self;
}

export function arrival(
  id: string,
  key: string | null,
  given: Partial<Arrival & Outgoing> & { readonly order: number; readonly now: number },
): Arrival {
  const facts = given.facts ?? [];
  return {
    message: {
      id,
      topic: 'order.placed',
      body: '',
      headers: null,
      key,
      delayMs: 0,
      dedupe: [],
      facts,
    },
    key,
    tag: given.order,
    order: given.order,
    acceptedAt: given.now,
    needs: facts,
    readyAt: given.readyAt ?? given.now,
    attempt: given.attempt ?? 1,
    story: null,
  };
}

export function stepOf({ now }: { readonly now: number }): {
  readonly now: number;
  readonly journal: boolean;
  readonly keepDoneMs: number;
} {
  return { now, journal: true, keepDoneMs: 0 };
}

export function entryOf(
  { table }: Bench,
  delivery: Delivery,
): NonNullable<ReturnType<typeof heldEntry>> {
  const entry = heldEntry(table, delivery);
  assert.ok(entry);
  return entry;
}

export function open(at: Bench, fact: FactId): string[] {
  at.facts.add(fact);
  return wake(at.table, fact, stepOf(at)).map(({ message }) => message.id);
}
