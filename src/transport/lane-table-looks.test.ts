/**
 * What a claim and its acks look at, beside 100,000 keys that stand still in each way and a key
 * with 100,000 messages: as much as beside a handful. Looks are counted at every heap, list, shelf
 * and map of the table.
 */

import assert from 'node:assert/strict';
import { expect, test } from 'vitest';
import { bench, type Bench, entryOf, failure, stepOf } from '../../test/support/lane-table.ts';
import type { LaneTable } from './lane-table.ts';
import { die, retry } from './lane-table-settle.ts';
import type { NumberMap } from './number-map.ts';
import type { TextMap } from './text-map.ts';

let looks = 0;

test('a claim looks at as much beside 100,000 still keys and a long one as beside few', {
  timeout: 120_000,
}, () => {
  const besideFew = looksOfRounds(100);
  const besideMany = looksOfRounds(100_000);

  expect(besideFew).toBeGreaterThan(0);
  assert.equal(besideMany, besideFew);
});

/** Looks of twenty rounds, each of which claims some messages of live keys and acks them. */
function looksOfRounds(size: number): number {
  const at = bench('block');
  standStill(at, size);
  at.now += 1;
  for (let index = 0; index < 100; index++) at.add(`live${index}`, `live${index % 10}`);
  for (let index = 0; index < size; index++) at.add(`long${index}`, 'long');
  watch(at.table);
  const keys = new Set<string | null>();

  looks = 0;
  for (let round = 0; round < 20; round++) {
    for (const delivery of at.taken(at.claimant(4))) {
      keys.add(delivery.key);
      assert.ok(at.ack(delivery));
    }
  }

  assert.equal(keys.size, 11, 'the live keys and the long one had their turns');
  return looks;
}

/** Keys whose head is dead, waits for a fact, or is to be tried again much later. */
function standStill(at: Bench, size: number): void {
  for (let index = 0; index < size; index++) at.add(`blocked${index}`, `blocked${index}`);
  for (const delivery of at.taken(at.claimant(size))) {
    die(at.table, entryOf(at, delivery), stepOf(at));
  }
  for (let index = 0; index < size; index++) at.add(`retrying${index}`, `retrying${index}`);
  for (const delivery of at.taken(at.claimant(size))) {
    retry(at.table, entryOf(at, delivery), { afterMs: 3_600_000, failure }, stepOf(at));
  }
  for (let index = 0; index < size; index++) {
    at.add(`waiting${index}`, `waiting${index}`, { facts: [`customer:${index}`] });
  }
  const lanes = [...at.table.byKey.values()];
  for (const state of ['blocked', 'backing-off', 'waiting'] as const) {
    assert.equal(lanes.filter((lane) => lane.state === state).length, size);
  }
}

function watch(table: LaneTable): void {
  for (const heap of [table.ready, table.careful, table.secluded, table.due]) {
    const { items, ats, orders } = heap;
    Object.assign(heap, { items: watched(items), ats: watched(ats), orders: watched(orders) });
  }
  table.waiting.items = watched(table.waiting.items);
  table.waiting.numbers = watched(table.waiting.numbers);
  const members = [...table.byTag.values(), ...table.byKey.values()];
  for (const member of members) watchLink(member);
  for (const map of [table.byKey, table.byTag, table.waitingOn]) watchWalks(map);
}

function watched<Item>(items: Item[]): Item[] {
  return new Proxy(items, {
    get(target, name) {
      if (typeof name === 'string' && /^\d+$/.test(name)) looks += 1;
      return Reflect.get(target, name) as unknown;
    },
  });
}

/** Counts who goes on from one member of a list to the next. */
function watchLink(member: { next: unknown }): void {
  let { next } = member;
  Object.defineProperty(member, 'next', {
    get() {
      looks += 1;
      return next;
    },
    set(value: unknown) {
      next = value;
    },
  });
}

function watchWalks(
  map: ReadonlyMap<unknown, unknown> | NumberMap<unknown> | TextMap<unknown>,
): void {
  for (const name of ['keys', 'values', 'entries', 'forEach', Symbol.iterator] as const) {
    if (!(name in map)) continue;
    const walk = Reflect.get(map, name) as (...given: never[]) => unknown;
    const original = walk.bind(map);
    Object.assign(map, {
      [name](...given: never[]) {
        looks += map.size;
        return original(...given);
      },
    });
  }
}
