/** Turns that the clock ends, because what they do takes longer than the last ones told. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, test } from 'vitest';
import type { Work } from '../../transport/effects.ts';
import {
  ack,
  idsOf,
  leaseMs,
  numbered,
  outgoing,
  sqliteBench,
} from '../../../test/support/sqlite-bench.ts';
import { settleTurns } from '../../testing/virtual-clock.ts';

/** After three looks at the clock a turn is over. */
const lookMs = 9;

let commits = 0;
const { exec } = DatabaseSync.prototype;

beforeEach(() => {
  DatabaseSync.prototype.exec = function (text) {
    if (text === 'commit') commits += 1;
    return exec.call(this, text);
  };
});

afterEach(() => {
  DatabaseSync.prototype.exec = exec;
});

/** How many commits something takes. */
async function commitsOf(run: () => Promise<unknown>): Promise<number> {
  const before = commits;
  await run();
  return commits - before;
}

test('publishes, claims and settlements go on in the next turn, and none is left', async () => {
  const ids = numbered('m', 30);
  const drafts = ids.map((id) => ({ id, key: id }));
  const bench = sqliteBench(lookMs);
  const process = await bench.open();
  await process.subscribe();

  const publishing = await commitsOf(() => process.publish(...drafts));
  const consumer = process.consume();
  const stored = bench.rows('select message_id from ml_message order by id').flat();
  const taken = await consumer.take(0);
  const claiming = await commitsOf(async () => {
    consumer.grant(ids.length);
    while (taken.length < ids.length) taken.push(...(await consumer.take(0)));
  });
  const settling = await commitsOf(async () => process.settle(...taken.map(ack)));

  assert.deepEqual(stored, ids);
  assert.deepEqual(new Set(idsOf(taken)), new Set(ids));
  for (const count of [publishing, claiming, settling]) {
    assert.ok(count >= ids.length / 4 && count <= ids.length, `${count} commits`);
  }
  assert.deepEqual(bench.rows('select count(*) from ml_message'), [[0]]);
});

test('what an ack publishes stays behind what was published before it', async () => {
  const bench = sqliteBench(lookMs);
  const process = await bench.open();
  await process.subscribe();
  await process.publish({ id: 'first', key: 'a' });
  const consumer = process.consume();
  const [first] = await consumer.take(1);

  const before = numbered('before', 20);
  const published = process.publish(...before.map((id) => ({ id, key: 'a' })));
  const behind = outgoing({ id: 'behind', key: 'a' });
  await process.settle({ kind: 'ack', delivery: first!, opens: [], publish: [behind] });
  await published;

  assert.deepEqual(bench.rows('select message_id from ml_message order by id').flat(), [
    ...before,
    'behind',
  ]);
});

test('functions of the caller that take up every turn leave publishes and acks their part', async () => {
  const bench = sqliteBench(1);
  const process = await bench.open();
  await process.subscribe();
  const ids = numbered('m', 10);
  await process.publish(...ids.map((id) => ({ id, key: id })));
  const taken = await process.consume().take(ids.length);
  let ran = 0;
  const work = (): Work => {
    ran += 1;
    return { publish: [], opens: [] };
  };

  const functions = Array.from({ length: 200 }, () =>
    process.transport.effects!.run({ receipt: null, delivery: null, work }),
  );
  const later = numbered('later', 10).map((id) => process.publish({ id }));
  const [atAcked, atPublished] = await Promise.all([
    process.settle(...taken.map(ack)).then(() => ran),
    Promise.all(later).then(() => ran),
  ]);
  await Promise.all(functions);

  assert.equal(taken.length, ids.length);
  for (const count of [atAcked, atPublished]) assert.ok(count < 100, `after ${count} functions`);
  assert.equal(ran, 200);
});

test('what has waited longer than a lease behind its own kind is not refused at a busy moment', async () => {
  const bench = sqliteBench(lookMs);
  const process = await bench.open();
  await process.subscribe();
  const ids = numbered('m', 1_000);
  const atOnce = process.publish(...ids.map((id) => ({ id })));
  const behind = process.publish({ id: 'behind' });
  const work = (): Work => ({ publish: [], opens: [] });
  const functions = ids.map(() =>
    process.transport.effects!.run({ receipt: null, delivery: null, work }),
  );
  // Each takes three looks or more.
  await commitsUntil(commits + Math.ceil(leaseMs / (3 * lookMs)));
  const [[stored]] = bench.rows('select count(*) from ml_message') as [[number]];
  const other = bench.connect();
  other.exec('begin immediate');
  await settleTurns(4);
  other.exec('rollback');

  await bench.clock.advance(5);
  await Promise.all([atOnce, behind, ...functions]);
  assert.ok(stored < ids.length, `${stored} were stored before the file was busy`);
  assert.deepEqual(bench.rows('select count(*) from ml_message'), [[ids.length + 1]]);
});

async function commitsUntil(count: number): Promise<void> {
  while (commits < count) await settleTurns(1);
}
