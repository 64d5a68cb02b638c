/** Entries are found by id however many came and went meanwhile, and all of one id together. */

import assert from 'node:assert/strict';
import { test } from 'vitest';
import { bench } from '../../test/support/lane-table.ts';
import { entriesNamed } from './lane-table-names.ts';

/** More than stand in a row before they are looked through. */
const many = 40_000;

test('a message is found while it is here, whatever came and went around it', () => {
  const at = bench();
  at.add('stays', 'quiet');
  const claimant = at.claimant(many + 1);
  const [stays] = at.taken(claimant);
  for (let passing = 0; passing < many; passing++) {
    at.add(`passes-${passing}`, null);
    for (const delivery of at.taken(claimant)) at.ack(delivery);
  }

  assert.deepEqual(orders(at, 'stays'), [1]);
  assert.deepEqual(orders(at, 'passes-7'), []);
  assert.ok(at.ack(stays!));
  assert.deepEqual(orders(at, 'stays'), []);
  assert.equal(at.table.names.byId.size, 0);
});

test('messages are found by their ids however many stand', () => {
  const at = bench();
  for (let standing = 0; standing < many; standing++) at.add(`m-${standing}`, null);

  assert.deepEqual(orders(at, 'm-0'), [1]);
  assert.deepEqual(orders(at, `m-${many - 1}`), [many]);
  for (const delivery of at.taken(at.claimant(many))) at.ack(delivery);
  assert.equal(at.table.names.byId.size, 0);
});

test('messages with one id are found together, and those that are left without the gone', () => {
  const at = bench();
  for (let copy = 0; copy < 3; copy++) at.add('same', null);
  assert.deepEqual(new Set(orders(at, 'same')), new Set([1, 2, 3]));

  const [first, second, third] = at.taken(at.claimant());
  at.ack(second!);
  assert.deepEqual(new Set(orders(at, 'same')), new Set([1, 3]));
  at.add('same', null);
  at.ack(first!);
  assert.deepEqual(new Set(orders(at, 'same')), new Set([3, 4]));
  at.ack(third!);
  assert.deepEqual(orders(at, 'same'), [4]);
});

function orders({ table }: ReturnType<typeof bench>, id: string): number[] {
  return entriesNamed(table, id).map(({ order }) => order);
}
