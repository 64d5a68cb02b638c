/**
 * What a file that is busy, full or broken does to a call: a named error, and nothing half done.
 */
import assert from 'node:assert/strict';
import { expect, test } from 'vitest';
import { MaloteError } from '../../errors.ts';
import { settleTurns } from '../../testing/virtual-clock.ts';
import {
  ack,
  deadLetter,
  idsOf,
  leaseMs,
  numbered,
  outgoing,
  sqliteBench,
} from '../../../test/support/sqlite-bench.ts';

test('a file that another connection writes is asked again, and the call succeeds', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  const other = bench.connect();
  other.exec('begin immediate');

  const publishing = process.publish({ id: 'm' });
  await bench.clock.advance(100);
  other.exec('rollback');
  await bench.clock.advance(5);
  await publishing;

  assert.deepEqual(idsOf(await process.consume().take(5)), ['m']);
});

test('what waits for a busy file longer than a lease rejects as busy, and is not stored', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  const consumer = process.consume();
  await process.publish({ id: 'before' });
  const [held] = await consumer.take(1);
  const other = bench.connect();
  other.exec('begin immediate');

  const calls = [
    process.transport.queue.publish([outgoing({ id: 'm' })]),
    process.settle(ack(held!)),
    process.transport.queue.mark([{ fact: 'customer:1', state: 'fulfilled' }]),
    process.transport.store.cancel('m'),
  ].map(codeOf);
  await bench.clock.advance(leaseMs + 100);

  assert.deepEqual(
    await Promise.all(calls),
    calls.map(() => 'ENGINE_BUSY'),
  );
  other.exec('rollback');
  await bench.clock.advance(5);
  assert.deepEqual(await process.settle(ack(held!)), ['settled'], 'the lease is still held');
  consumer.grant(5);
  await settleTurns(8);
  assert.deepEqual(consumer.received, []);
});

test('a publish that reaches the file after the others gave up does not wait their time again', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  const other = bench.connect();
  other.exec('begin immediate');
  const first = codeOf(process.transport.queue.publish([outgoing({ id: 'first' })]));
  await bench.clock.advance(leaseMs - 10);
  const second = process.publish({ id: 'second' });
  await bench.clock.advance(50);

  assert.equal(await first, 'ENGINE_BUSY');
  other.exec('rollback');
  await bench.clock.advance(5);
  await second;
});

test('a settlement that the file refuses leaves the lease as it was', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  await process.publish(...numbered('k', 3).map((id) => ({ id, key: 'k' })), { id: 'l' });
  const taken = await process.consume().take(4);
  refuse(bench.connect(), 'insert on ml_dead');

  assert.equal(await codeOf(process.settle(...taken.map(deadLetter))), 'ENGINE_FAILED');
  bench.connect().exec('drop trigger refused');

  const outcomes = await process.settle(...taken.map(ack));
  assert.deepEqual(
    outcomes,
    taken.map(() => 'settled'),
  );
  assert.deepEqual(bench.rows('select id from ml_message'), []);
  assert.deepEqual(bench.rows('select leased, done, dead from ml_tally'), [[0, 4, 0]]);
});

test('a publish that the file refuses is stored nowhere, and the next one is', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.transport.queue.publish([outgoing({ id: 'kept' })]);
  await process.subscribe();
  await process.subscribe({ name: 'mailing', from: 'now' });
  refuse(bench.connect(), 'insert on ml_later');

  const draft = outgoing({ id: 'm', dedupe: ['m'], topic: 'orders', delayMs: 10 });
  assert.equal(await codeOf(process.transport.queue.publish([draft])), 'ENGINE_FAILED');
  bench.connect().exec('drop trigger refused');

  assert.deepEqual(await process.transport.queue.publish([draft]), [{ kind: 'stored' }]);
  assert.deepEqual(bench.rows('select subscription from ml_later'), [[0], [1]]);
});

test('a claim that fails is made again by itself', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  await process.publish({ id: 'm', key: 'k' });
  const consumer = process.consume();
  refuse(bench.connect(), 'insert on ml_lease');
  assert.deepEqual(await consumer.take(1), []);

  bench.connect().exec('drop trigger refused');
  await bench.clock.advance(200);

  assert.deepEqual(idsOf(consumer.received), ['m']);
  assert.equal(consumer.received[0]?.attempt, 1);
});

test('a damaged file ends the connection, and the host hears it', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  const other = bench.connect();
  other.enableDefensive(false);
  other.exec('pragma writable_schema = on');
  other.exec(`update sqlite_schema set rootpage = 2000000000 where name = 'ml_lane'`);
  other.exec('pragma schema_version = 1000');
  other.close();

  const code = await codeOf(process.publish({ id: 'm', key: 'k' }));

  assert.equal(code, 'ENGINE_CORRUPT');
  expect(process.failures).toHaveLength(1);
  assert.equal(await codeOf(process.publish({ id: 'n' })), 'ENGINE_CORRUPT');
  await process.transport.close();
});

test('a turn that fails before any call is reached ends what waits, and is told once', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  bench.connect().exec('drop table ml_session');

  const calls = [
    process.transport.queue.publish([outgoing({ id: 'm' })]),
    process.transport.queue.publish([outgoing({ id: 'n' })]),
    process.transport.queue.mark([{ fact: 'customer:1', state: 'fulfilled' }]),
  ].map(codeOf);
  await bench.clock.advance(leaseMs + 200);

  assert.deepEqual(
    await Promise.all(calls),
    calls.map(() => 'ENGINE_FAILED'),
  );
  assert.deepEqual(
    process.events.map(({ kind }) => kind),
    ['engine-trouble'],
  );
  assert.deepEqual(process.failures, [], 'it may pass');
});

test('closing does not wait for a file that cannot be worked on', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  bench.connect().exec('drop table ml_session');

  const publishing = codeOf(process.publish({ id: 'm' }));
  await settleTurns(8);
  const closing = process.transport.close();
  await bench.clock.advance(200);

  await closing;
  assert.equal(await publishing, 'ENGINE_FAILED');
});

test('closing ends although the file stays busy', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  bench.connect().exec('begin immediate');

  const closing = process.transport.close();
  await bench.clock.advance(leaseMs + 100);

  await closing;
  assert.equal(await codeOf(process.publish({ id: 'm' })), 'BUS_STOPPED');
});

function refuse(db: { exec(sql: string): void }, what: string): void {
  db.exec(`create trigger refused before ${what} begin select raise(abort, 'refused'); end`);
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    return error instanceof MaloteError ? error.code : String(error);
  }
}
