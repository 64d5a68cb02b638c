/** Publishes inside a transaction of the caller, on a connection of the caller's own. */
import assert from 'node:assert/strict';
import { symlinkSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'vitest';
import { MaloteError } from '../../errors.ts';
import { settleTurns } from '../../testing/virtual-clock.ts';
import {
  type Draft,
  idsOf,
  leaseMs,
  numbered,
  outgoing,
  sqliteBench,
  type SqliteProcess,
} from '../../../test/support/sqlite-bench.ts';

test('a consumer gets it right after the commit, before the file is looked at by time', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  const consumer = process.consume();
  await consumer.take(5);
  const tx = bench.connect();

  tx.exec('begin');
  assert.deepEqual(join(process, tx, 'm'), [{ kind: 'stored' }]);
  await settleTurns(20);
  assert.deepEqual(consumer.received, [], 'not before the commit');
  tx.exec('commit');
  await bench.clock.advance(64);

  assert.deepEqual(idsOf(consumer.received), ['m']);
});

test('of several files in one transaction it is the one that the connection was opened on', async () => {
  const [bench, other] = [sqliteBench(), sqliteBench()];
  const [process, second] = [await bench.open(), await other.open()];
  await process.subscribe();
  await second.subscribe();
  const tx = bench.connect();
  tx.exec(`attach '${other.path}' as other`);

  tx.exec('begin immediate');
  assert.deepEqual(join(process, tx, 'm'), [{ kind: 'stored' }]);
  assert.throws(() => join(second, tx, 'n'), hasCode('ENGINE_MISMATCH'));
  tx.exec('commit');

  const ids = 'select message_id from ml_message';
  assert.deepEqual([bench.rows(ids), other.rows(ids)], [[['m']], []]);
});

test('a process can be opened while the transaction it is to join holds the lock', async () => {
  const bench = sqliteBench();
  const first = await bench.open();
  await first.subscribe();
  const tx = bench.connect();

  tx.exec('begin immediate');
  const process = await bench.open();
  assert.deepEqual(join(process, tx, 'm'), [{ kind: 'stored' }]);
  tx.exec('commit');
  await bench.clock.advance(10);

  assert.deepEqual(idsOf(await process.consume().take(5)), ['m']);
  assert.equal(bench.rows('select 1 from ml_session').length, 2, 'it has registered meanwhile');
  await process.transport.close();
});

test('a process that was opened under a long transaction comes to work after it', async () => {
  const bench = sqliteBench();
  const first = await bench.open();
  await first.subscribe();
  const tx = bench.connect();

  tx.exec('begin immediate');
  const process = await bench.open();
  const consumer = process.consume();
  await bench.clock.advance(2 * leaseMs);
  assert.deepEqual(join(process, tx, 'm'), [{ kind: 'stored' }]);
  tx.exec('commit');
  await bench.clock.advance(200);

  assert.deepEqual(idsOf(await consumer.take(5)), ['m']);
  assert.deepEqual(process.failures, []);
});

test('a rollback leaves no message and no topic, whoever makes the next one', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe({ topics: ['orders', 'bills'] });
  const tx = bench.connect();

  tx.exec('begin');
  process.transport.join!.publish(tx, [outgoing({ id: 'gone', topic: 'never' })]);
  tx.exec('rollback');
  await process.publish({ id: 'kept', topic: 'another' });
  tx.exec('begin');
  process.transport.join!.publish(tx, [outgoing({ id: 'second', topic: 'never' })]);
  tx.exec('commit');

  assert.deepEqual(
    bench.rows(`
      select k.message_id, t.name from ml_kept k join ml_topic t on t.number = k.topic order by 1`),
    [
      ['kept', 'another'],
      ['second', 'never'],
    ],
  );
});

test.each([
  ['begin', 'rollback'],
  ['begin; savepoint a', 'rollback to a; release a; commit'],
])(
  'what two publishes of a new topic left in a connection is forgotten: %s, %s',
  async (begin, undo) => {
    const bench = sqliteBench();
    const process = await bench.open();
    await process.publish({ id: 'early' });
    const tx = bench.connect();
    tx.exec(begin);
    joinTo(process, tx, { id: 'gone', topic: 'never' });
    joinTo(process, tx, { id: 'gone too', topic: 'never' });
    tx.exec(undo);

    await process.publish({ id: 'other', topic: 'another' });
    tx.exec('begin');
    joinTo(process, tx, { id: 'third', topic: 'never' });
    tx.exec('commit');

    assert.deepEqual(
      bench.rows(`
      select k.message_id, t.name from ml_kept k join ml_topic t on t.number = k.topic order by 1`),
      [
        ['early', 'orders'],
        ['other', 'another'],
        ['third', 'never'],
      ],
    );
  },
);

test('a connection that has rolled back hears of the subscription that came after', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.publish({ id: 'early' });
  const tx = bench.connect();
  tx.exec('begin');
  joinTo(process, tx, { id: 'gone', topic: 'never' });
  joinTo(process, tx, { id: 'gone too', topic: 'never' });
  tx.exec('rollback');

  await process.subscribe({ from: 'now' });
  tx.exec('begin');
  join(process, tx, 'm');
  tx.exec('commit');

  assert.deepEqual(idsOf(await process.consume().take(5)), ['m']);
});

test("a batch with a failure in it leaves the caller's transaction as it was", async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  const tx = bench.connect();
  tx.exec(`
    create table invoice (number integer);
    create trigger refused before insert on ml_later begin select raise(abort, 'refused'); end`);

  tx.exec('begin; insert into invoice values (1)');
  const batch = [outgoing({ id: 'm' }), outgoing({ id: 'n', delayMs: 1 })];
  assert.throws(() => process.transport.join!.publish(tx, batch), hasCode('ENGINE_FAILED'));
  join(process, tx, 'o');
  tx.exec('commit');

  assert.deepEqual(bench.rows('select message_id from ml_message'), [['o']]);
  assert.deepEqual(bench.rows('select number from invoice'), [[1]]);
  assert.deepEqual(bench.rows('select ready, scheduled from ml_tally'), [[1, 0]]);
});

test('dedupe keys and limits hold inside the transaction', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe({ maxDepth: 3 });
  const tx = bench.connect();

  tx.exec('begin');
  const outcomes = process.transport.join!.publish(
    tx,
    numbered('m', 5).map((id, index) => outgoing({ id, dedupe: index === 1 ? ['m1'] : [id] })),
  );
  tx.exec('commit');

  assert.deepEqual(outcomes, [
    { kind: 'stored' },
    { kind: 'duplicate', id: 'm1' },
    { kind: 'stored' },
    { kind: 'stored' },
    { kind: 'full', subscription: 'billing', topics: ['orders'] },
  ]);
});

test('a connection with other defaults, and one by another name of the file, are taken', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  symlinkSync(bench.path, `${bench.path}.link`);
  const tx = new DatabaseSync(`${bench.path}.link`, { readBigInts: true, returnArrays: true });

  tx.exec('begin');
  assert.deepEqual(join(process, tx, 'm'), [{ kind: 'stored' }]);
  tx.exec('commit');
  tx.close();

  assert.deepEqual(idsOf(await process.consume().take(1)), ['m']);
});

test('a connection that brings another SQLite into the process is refused', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  const tx = { inTransaction: true, name: bench.path } as never;
  assert.throws(() => join(process, tx, 'm'), hasCode('ENGINE_MISMATCH'));
});

test('what is not in a transaction, or of another file, is refused', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  const tx = bench.connect();
  const other = sqliteBench().connect();
  const memory = new DatabaseSync(':memory:');
  other.exec('begin');
  memory.exec('begin');

  assert.throws(() => join(process, tx, 'm'), hasCode('TRANSACTION_REQUIRED'));
  assert.throws(() => join(process, other, 'm'), hasCode('ENGINE_MISMATCH'));
  assert.throws(() => join(process, memory, 'm'), hasCode('ENGINE_MISMATCH'));
  memory.close();
});

test('a closed connection has no transaction, and one that was opened again is taken', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  const tx = bench.connect();
  tx.exec('begin');
  join(process, tx, 'first');
  tx.exec('commit');

  tx.close();
  assert.throws(() => join(process, tx, 'never'), hasCode('TRANSACTION_REQUIRED'));
  tx.open();
  tx.exec('begin');
  join(process, tx, 'second');
  join(process, tx, 'third');
  tx.exec('commit');

  assert.deepEqual(idsOf(await process.consume().take(5)), ['first', 'second', 'third']);
});

test('a key has one number in all connections to a file, and another one in the next file', async () => {
  const hashes = new Set<unknown>();
  for (let file = 1; file <= 2; file++) {
    const bench = sqliteBench();
    const process = await bench.open();
    await process.subscribe();
    await process.publish({ id: 'a', key: 'k' });
    const tx = bench.connect();
    tx.exec('begin');
    process.transport.join!.publish(tx, [outgoing({ id: 'b', key: 'k' })]);
    tx.exec('commit');
    const other = await bench.open();
    await other.publish({ id: 'c', key: 'k' });
    const lanes = bench.rows('select key from ml_lane');
    assert.equal(lanes.length, 1);
    hashes.add(lanes[0]![0]);
  }

  assert.equal(hashes.size, 2);
});

test('a transaction that read before another one wrote is told that it is in the way', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  const tx = bench.connect();
  tx.exec('begin; select * from ml_meta');
  tx.prepare('select * from ml_meta').all();
  await process.publish({ id: 'first' });

  assert.throws(() => join(process, tx, 'second'), hasCode('ENGINE_BUSY'));
  tx.exec('rollback');

  tx.exec('begin immediate');
  join(process, tx, 'third');
  tx.exec('commit');
  assert.deepEqual(idsOf(await process.consume().take(5)), ['first', 'third']);
});

function join(process: SqliteProcess, tx: DatabaseSync, ...ids: readonly string[]) {
  return process.transport.join!.publish(
    tx,
    ids.map((id) => outgoing({ id })),
  );
}

function joinTo(process: SqliteProcess, tx: DatabaseSync, draft: Draft) {
  return process.transport.join!.publish(tx, [outgoing(draft)]);
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof MaloteError && error.code === code;
}
