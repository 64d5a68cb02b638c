/** What the journal keeps of messages that are gone: how many rows, and until when. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { settleTurns } from '../../testing/virtual-clock.ts';
import type { Delivery, Settlement } from '../../transport/transport.ts';
import {
  ack,
  leaseMs,
  numbered,
  type SqliteBench,
  type SqliteProcess,
  sqliteBench,
} from '../../../test/support/sqlite-bench.ts';

const keepDoneMs = 60_000;

test('an ordinary life is one row, and none where the journal keeps exceptions', async () => {
  const bench = sqliteBench();
  const keeping = await bench.open(keepDoneMs);
  await keeping.subscribe();
  await live(keeping, numbered('m', 300));
  assert.deepEqual(countsOf(bench), [300, 0, 0]);

  const other = await bench.open();
  keeping.transport.abandon();
  await bench.clock.advance(2 * leaseMs);
  await live(other, numbered('n', 300));
  assert.deepEqual(countsOf(bench), [300, 0, 0]);
});

test('what befell a message stays beside its row, and goes with it; its failures do not', async () => {
  const bench = sqliteBench();
  const process = await bench.open(keepDoneMs);
  await process.subscribe();
  await process.publish({ id: 'm', key: 'k' });
  const consumer = process.consume();
  const [first] = await consumer.take(1);
  await process.settle(retry(first!));
  assert.deepEqual(countsOf(bench), [0, 2, 1]);
  const [again] = await consumer.take(1);
  await process.settle(ack(again!));
  assert.deepEqual(countsOf(bench), [1, 2, 0]);

  await bench.clock.advance(keepDoneMs + leaseMs);
  await settleTurns(20);
  assert.deepEqual(countsOf(bench), [0, 0, 0]);
});

test('how often a done message ran is told where its row is kept, and else not at all', async () => {
  const bench = sqliteBench();
  for (const [kept, expected] of [
    [undefined, null],
    [keepDoneMs, 2],
  ] as const) {
    const process = await bench.open(kept);
    await process.subscribe();
    const id = `m ${kept}`;
    await process.publish({ id, key: 'k', dedupe: [id] });
    const consumer = process.consume();
    const [first] = await consumer.take(1);
    await process.settle(retry(first!));
    const [again] = await consumer.take(1);
    await process.settle(ack(again!));

    const views = await process.transport.store.get(id);
    assert.deepEqual(
      views.map(({ state, attempts }) => [state, attempts]),
      [['done', expected]],
    );
    await process.transport.close();
  }
});

test('who keeps exceptions removes what others wrote of a message that it acks', async () => {
  const bench = sqliteBench();
  const keeping = await bench.open(keepDoneMs);
  await keeping.subscribe();
  await keeping.publish({ id: 'm' });
  const [delivery] = await keeping.consume().take(1);
  await keeping.transport.queue.mark([{ fact: 'customer:1', state: 'fulfilled' }]);
  const park = { kind: 'park', delivery: delivery!, facts: ['customer:1'] } as const;
  assert.deepEqual(await keeping.settle(park), ['not-parked']);
  assert.deepEqual(countsOf(bench), [0, 1, 0]);
  await keeping.transport.close();

  const other = await bench.open();
  const [again] = await other.consume().take(1);
  await other.settle(ack(again!));
  assert.deepEqual(countsOf(bench), [0, 0, 0]);
});

test('rows whose time is over are swept by any process, a bounded number at a time', async () => {
  const bench = sqliteBench();
  const keeping = await bench.open(keepDoneMs);
  await keeping.subscribe();
  await live(keeping, numbered('m', 600));
  keeping.transport.abandon();
  const other = await bench.open();
  await other.subscribe();
  const writer = bench.connect();
  writer.exec('create table step (rows integer)');
  for (const what of ['update', 'delete']) {
    writer.exec(`create trigger step_${what} after ${what} on ml_chore begin
      insert into step values ((select count(*) from ml_past)); end`);
  }
  writer.close();

  await bench.clock.advance(keepDoneMs / 2);
  assert.deepEqual(countsOf(bench), [600, 0, 0]);
  await bench.clock.advance(keepDoneMs);
  await settleTurns(20);

  assert.deepEqual(countsOf(bench), [0, 0, 0]);
  assert.deepEqual(bench.rows('select rows from step'), [[350], [100], [0]]);
});

test('a subscription that is forgotten takes its past along, the next of its number begins anew', async () => {
  const bench = sqliteBench();
  const process = await bench.open(keepDoneMs);
  await process.subscribe();
  await live(process, numbered('m', 300));
  await process.transport.queue.unsubscribe('billing');
  await settleTurns(20);
  assert.deepEqual(countsOf(bench), [0, 0, 0]);

  await process.subscribe({ name: 'shipping' });
  assert.deepEqual(await process.transport.store.get('m1'), []);
});

test('of a long life the latest hundred lines are kept', async () => {
  const bench = sqliteBench();
  const process = await bench.open(keepDoneMs);
  await process.subscribe();
  await process.publish({ id: 'm' });
  const consumer = process.consume();
  for (let tries = 0; tries < 70; tries++) {
    const [delivery] = await consumer.take(1);
    await process.settle(retry(delivery!));
  }
  const [last] = await consumer.take(1);
  await process.settle(ack(last!));

  assert.deepEqual(countsOf(bench), [1, 100, 0]);
  const [view] = await process.transport.store.get('m');
  assert.equal(view!.history.length, 100);
  assert.deepEqual(
    view!.history.slice(-3).map(({ event, attempt }) => [event, attempt]),
    [
      ['retried', 70],
      ['delivered', 71],
      ['acked', 71],
    ],
  );
});

function retry(delivery: Delivery): Settlement {
  const failure = { name: 'Error', message: 'no' };
  return { kind: 'retry', delivery, afterMs: 0, failure };
}

/** Half of them in order of a key. */
async function live(process: SqliteProcess, ids: readonly string[]): Promise<void> {
  await process.publish(...ids.map((id, at) => ({ id, key: at % 2 === 0 ? null : `k${at % 5}` })));
  const consumer = process.consume();
  for (let left = ids.length; left > 0; ) {
    const taken = await consumer.take(left);
    assert.ok(taken.length > 0);
    await process.settle(...taken.map(ack));
    left -= taken.length;
  }
  consumer.stop();
}

function countsOf(bench: SqliteBench): unknown[] {
  const sql = `select (select count(*) from ml_past), (select count(*) from ml_journal),
    (select count(*) from ml_failure)`;
  return bench.rows(sql)[0]!;
}
