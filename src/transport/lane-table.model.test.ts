/** The lane table beside a model of it, under schedules that chance draws. */

import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { describe, test } from 'vitest';
import { depth, type LaneTable } from './lane-table.ts';
import { bench, entryOf, failure, open, stepOf } from '../../test/support/lane-table.ts';
import {
  ack,
  die,
  giveBack,
  giveBackAll,
  heldEntry,
  park,
  retry,
  takeOver,
} from './lane-table-settle.ts';
import type { Delivery } from './transport.ts';

/** Steps of the random schedules; the numbers choose what a step is about. */
interface Move {
  readonly kind:
    | 'push'
    | 'claim'
    | 'ack'
    | 'retry'
    | 'release'
    | 'park'
    | 'die'
    | 'open'
    | 'revoke'
    | 'crash'
    | 'close'
    | 'time';
  readonly a: number;
  readonly b: number;
}

const move: fc.Arbitrary<Move> = fc.record({
  kind: fc.constantFrom(
    'push',
    'push',
    'push',
    'claim',
    'claim',
    'ack',
    'ack',
    'retry',
    'release',
    'park',
    'die',
    'open',
    'revoke',
    'crash',
    'close',
    'time',
  ),
  a: fc.nat(1_000),
  b: fc.nat(1_000),
});

describe('any schedule', () => {
  test('loses nothing, doubles nothing, keeps the order of each key and one lease per lane', () => {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 120, size: 'max' }), (moves) => {
        const world = createWorld();
        for (const one of moves) {
          world.act(one);
          world.check();
        }
        assert.equal(world.drain(), 0);
      }),
      { numRuns: 300 },
    );
  });
});

/** The table beside a model of it: per key, the ids that are still to be done, in order. */
function createWorld(): { act(move: Move): void; check(): void; drain(): number } {
  const at = bench();
  const keys = [null, 'a', 'b', 'c', 'd'];
  const left = new Map<string, string[]>();
  const free = new Set<string>();
  const delayed = new Map<string, number>();
  const claimants = [at.claimant(0, 2), at.claimant(0, 1)];
  const held: Delivery[][] = [[], []];
  let made = 0;

  const join = (): void => {
    // Delayed messages join their lane in the order in which they become due.
    const due = [...delayed].filter(([, when]) => when <= at.now);
    for (const [id] of due.toSorted((x, y) => x[1] - y[1])) {
      delayed.delete(id);
      left.get(id.split('-')[0]!)?.push(id);
    }
  };
  const gone = (delivery: Delivery): void => {
    if (delivery.key === null) assert.ok(free.delete(delivery.id), `${delivery.id} was doubled`);
    else
      assert.equal(left.get(delivery.key)?.shift(), delivery.id, 'the head is the one that goes');
  };
  const pick = (one: Move): [number, Delivery] | null => {
    const who = one.a % 2;
    const mine = held[who]!;
    const chosen = mine[one.b % Math.max(1, mine.length)];
    if (chosen === undefined) return null;
    // Of a lane, only the first one held may be settled.
    const first = mine.find(({ lease }) => lease.id === chosen.lease.id)!;
    return [who, chosen.key === null ? chosen : first];
  };
  const drop = (who: number, delivery: Delivery, whole: boolean): void => {
    held[who] = held[who]!.filter((other) =>
      whole && delivery.key !== null ? other.lease.id !== delivery.lease.id : other !== delivery,
    );
  };
  const claimAs = (who: number, credit: number): void => {
    const claimant = claimants[who]!;
    claimant.credit += credit;
    const granted = claimant.credit;
    const batch = at.taken(claimant);
    join();
    assert.ok(batch.length <= granted && claimant.credit === granted - batch.length);
    const leased = new Set(held.flat().map(({ key, id }) => key ?? id));
    for (const run of runsOf(batch)) {
      const { key } = run[0]!;
      if (key !== null) {
        const ids = run.map(({ id }) => id);
        assert.deepEqual(ids, left.get(key)?.slice(0, ids.length), 'a lease covers a prefix');
      }
      for (const { id } of run) assert.ok(!leased.has(key ?? id), `${key ?? id} has two leases`);
      leased.add(key ?? run[0]!.id);
      const last = run.findIndex(({ attempt }) => attempt > 1);
      assert.ok(last === -1 || last === run.length - 1, 'attempt > 1 is the last of its lease');
    }
    held[who]!.push(...batch);
  };

  const act = (one: Move): void => {
    const step = stepOf(at);
    const who = one.a % 2;
    if (one.kind === 'push') {
      const key = keys[one.a % keys.length] ?? null;
      const id = `${key ?? 'free'}-${++made}`;
      const readyAt = one.b % 7 === 0 ? at.now + (one.b % 50) * 10 + made / 1_000 : at.now;
      if (key !== null && !left.has(key)) left.set(key, []);
      if (key === null) free.add(id);
      else if (readyAt > at.now) delayed.set(id, readyAt);
      else left.get(key)!.push(id);
      at.add(id, key, { readyAt, facts: one.b % 5 === 0 ? [`f:${one.b % 3}`] : [] });
    } else if (one.kind === 'claim') claimAs(who, one.b % 6);
    else if (one.kind === 'open') open(at, `f:${one.b % 3}`);
    else if (one.kind === 'revoke') at.facts.delete(`f:${one.b % 3}`);
    else if (one.kind === 'time') {
      at.now += one.b;
    } else if (one.kind === 'crash' || one.kind === 'close') {
      if (one.kind === 'crash') takeOver(claimants[who]!.holder, step);
      else giveBackAll(claimants[who]!.holder, step);
      for (const delivery of held[who]!) assert.equal(heldEntry(at.table, delivery), null);
      held[who] = [];
    } else settle(one);
  };

  const settle = (one: Move): void => {
    const picked = pick(one);
    if (picked === null) return;
    const [who, delivery] = picked;
    const entry = entryOf(at, delivery);
    const step = stepOf(at);
    if (one.kind === 'ack') ack(at.table, entry, step);
    else if (one.kind === 'die') die(at.table, entry, step);
    else if (one.kind === 'retry') retry(at.table, entry, { afterMs: one.b % 300, failure }, step);
    else if (one.kind === 'release') giveBack(at.table, entry, one.b % 300, step);
    else park(at.table, entry, [`f:${one.b % 3}`], step);
    if (one.kind === 'ack' || one.kind === 'die') gone(delivery);
    drop(who, delivery, one.kind !== 'ack');
  };

  const check = (): void => {
    const { table } = at;
    const total = [...left.values()].reduce((sum, ids) => sum + ids.length, 0);
    assert.equal(depth(table), total + free.size + delayed.size);
    assert.equal(table.byTag.size, depth(table));
    assert.equal(table.counts.leased, held.flat().length);
    claimants.forEach(({ holder, suspects, slots }, who) => {
      assert.equal(holder.held, held[who]!.length);
      assert.ok(suspects <= slots, 'suspects stay within the slots');
      if (holder.secluded) assert.equal(holder.held, 1, 'one that must be alone is alone');
    });
    checkLanes(table);
  };

  const drain = (): number => {
    for (const fact of ['f:0', 'f:1', 'f:2']) open(at, fact);
    for (let round = 0; depth(at.table) > 0; round++) {
      assert.ok(round < 2_000, `${depth(at.table)} messages never came`);
      at.now += 1_000;
      for (const who of [0, 1]) {
        claimAs(who, 10);
        for (const delivery of held[who]!) {
          assert.ok(at.ack(delivery));
          gone(delivery);
        }
        held[who] = [];
        check();
      }
    }
    assert.equal(at.table.byKey.size, 0);
    assert.equal(at.table.waitingOn.size, 0);
    assert.equal(at.table.counts.standing, 0);
    return depth(at.table);
  };

  return { act, check, drain };
}

function runsOf(batch: readonly Delivery[]): Delivery[][] {
  const runs: Delivery[][] = [];
  for (const delivery of batch) {
    const run = runs.at(-1);
    if (run?.[0]?.lease.id === delivery.lease.id) run.push(delivery);
    else runs.push([delivery]);
  }
  return runs;
}

/** What must hold of the records themselves after every step. */
function checkLanes(table: LaneTable): void {
  const heaps = [table.ready, table.careful, table.secluded, table.due];
  for (const heap of heaps) {
    heap.items.forEach((lane, index) => assert.equal(lane.position, index));
  }
  assert.equal(table.served.size, table.ready.items.length);
  let standing = 0;
  let ready = table.fresh.size;
  for (const lane of new Set([...table.byKey.values(), ...heaps.flatMap(({ items }) => items)])) {
    assert.ok(lane.size > 0, `lane ${lane.key} exists without messages`);
    const inHeaps = heaps.filter(({ items }) => items.includes(lane)).length;
    assert.equal(inHeaps, lane.state === 'leased' ? 0 : 1, `${lane.key} is ${lane.state}`);
    assert.equal(lane.lease !== null, lane.state === 'leased');
    if (lane.state === 'waiting' || lane.state === 'backing-off') standing += lane.size;
    let entry = lane.head;
    for (; entry !== null; entry = entry.next) if (entry.state === 'ready') ready += 1;
  }
  assert.equal(table.counts.standing, standing);
  assert.equal(table.counts.ready, ready);
}
