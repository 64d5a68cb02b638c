/** A lane table holds what its messages need, and nothing of keys whose messages are gone. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { bench, entryOf, failure, open, stepOf } from '../../test/support/lane-table.ts';
import { depth, type LaneTable } from './lane-table.ts';
import { park, retry } from './lane-table-settle.ts';

const keys = 10_000;

test('after ten thousand keys are done, nothing is left of them', () => {
  const at = bench();
  for (let index = 0; index < keys; index++) {
    const facts = index % 4 === 0 ? [factOf(index)] : [];
    const readyAt = index % 4 === 1 ? at.now + 60_000 : at.now;
    at.add(`m${index}`, index % 8 < 4 ? `k${index}` : null, { facts, readyAt });
  }
  for (const [index, delivery] of at.taken(at.claimant(keys)).entries()) {
    const entry = entryOf(at, delivery);
    if (index % 3 === 0) retry(at.table, entry, { afterMs: 60_000, failure }, stepOf(at));
    else if (index % 3 === 1) park(at.table, entry, [`parked:${index}`], stepOf(at));
    else at.ack(delivery);
  }
  assert.ok(Object.values(sizesOf(at.table)).some((size) => size > 1_000));

  at.now += 60_000;
  for (let index = 0; index < keys; index++) {
    open(at, factOf(index));
    open(at, `parked:${index}`);
  }
  for (const delivery of at.taken(at.claimant(keys))) at.ack(delivery);

  assert.equal(at.table.counts.done, keys);
  assert.equal(depth(at.table), 0);
  const sizes = sizesOf(at.table);
  assert.deepEqual(sizes, Object.fromEntries(Object.keys(sizes).map((name) => [name, 0])));
});

const factOf = (index: number): string => `customer:${index}`;

function sizesOf(table: LaneTable): Record<string, number> {
  const { names, waiting } = table;
  return {
    byKey: table.byKey.size,
    byTag: table.byTag.size,
    waitingOn: table.waitingOn.size,
    byId: names.byId.size,
    row: names.row.filter((entry) => entry !== null).length,
    waiting: waiting.size,
    fresh: table.fresh.size,
    served: table.served.size,
    ready: table.ready.items.length,
    careful: table.careful.items.length,
    secluded: table.secluded.items.length,
    due: table.due.items.length,
    standing: table.counts.standing,
  };
}
