/** What is out together, what must be alone, and what a settlement may touch. */
import assert from 'node:assert/strict';
import { expect, test } from 'vitest';
import { settleTurns } from '../../testing/virtual-clock.ts';
import type { Settlement } from '../../transport/transport.ts';
import {
  ack,
  idsOf,
  leaseMs,
  numbered,
  outgoing,
  sqliteBench,
  type SqliteBench,
  type SqliteProcess,
} from '../../../test/support/sqlite-bench.ts';

test('a message that was tried before is the last of its lease', async () => {
  const process = await sqliteBench().open();
  await process.subscribe();
  await process.publish(...numbered('m', 5).map((id) => ({ id, key: 'k' })));
  const consumer = process.consume();
  const [first] = await consumer.take(5);
  await process.settle(retry(first!));

  const again = await consumer.take(5);

  assert.deepEqual(
    again.map(({ id, attempt }) => [id, attempt]),
    [['m1', 2]],
  );
});

test('an ack out of turn changes nothing while the lease is held', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  await process.publish(...numbered('m', 3).map((id) => ({ id, key: 'k' })));
  const [first, second, third] = await process.consume().take(3);

  assert.deepEqual(await process.settle(ack(third!), ack(second!)), ['full', 'full']);
  assert.deepEqual(bench.rows('select count(*) from ml_message'), [[3]]);
  assert.deepEqual(await process.settle(ack(first!), ack(second!), ack(third!)), [
    'settled',
    'settled',
    'settled',
  ]);
  assert.deepEqual(await process.settle(ack(third!)), ['lease-lost']);
});

test('what an ack publishes stays behind publishes that were called before it', async () => {
  const process = await sqliteBench().open();
  await process.subscribe();
  await process.subscribe({ name: 'audit', topics: ['audits'] });
  await process.publish({ id: 'cause' });
  const [cause] = await process.consume().take(1);
  const before = numbered('b', 5_000).map((id) => outgoing({ id, topic: 'audits', key: 'k' }));

  const publishing = process.transport.queue.publish(before);
  const staged = outgoing({ id: 'staged', topic: 'audits', key: 'k' });
  const settling = process.settle({ kind: 'ack', delivery: cause!, opens: [], publish: [staged] });
  await Promise.all([publishing, settling]);

  const consumer = process.consume('audit');
  const received: string[] = [];
  for (let rounds = 0; rounds < 100 && received.length < 5_001; rounds++) {
    const batch = await consumer.take(500);
    received.push(...idsOf(batch));
    await process.settle(...batch.map(ack));
  }
  assert.deepEqual(received.slice(-2), ['b5000', 'staged']);
});

test('a key that lacks one of two facts is not woken by the other', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  await process.publish({ id: 'm', key: 'k', facts: ['customer:1', 'account:2'] });

  await process.transport.queue.mark([{ fact: 'account:2', state: 'fulfilled' }]);
  assert.deepEqual(wakings(process), []);
  assert.deepEqual(bench.rows('select waiting, ready from ml_tally'), [[1, 0]]);

  await process.transport.queue.mark([{ fact: 'customer:1', state: 'fulfilled' }]);
  assert.deepEqual(wakings(process), [
    { kind: 'woken', fact: 'customer:1', subscription: 'billing', id: 'm' },
  ]);
});

test('after a crash beside others, suspects go out within the slots', async () => {
  const bench = sqliteBench();
  await crashHolding(bench, numbered('m', 6));
  const process = await bench.open();
  const consumer = process.consume('billing', 2);

  const first = await consumer.take(10);
  assert.deepEqual(
    first.map(({ suspicion, attempt }) => [suspicion, attempt]),
    [
      ['beside', 2],
      ['beside', 2],
    ],
  );
  assert.equal(new Set(first.map(({ lease }) => lease.id)).size, 2);

  await process.settle(ack(first[0]!));
  await settleTurns(8);
  assert.equal(consumer.received.length, 1, 'one slot is free again');
});

test('after two crashes a suspect goes out alone, and nothing with it until it is settled', async () => {
  const bench = sqliteBench();
  await crashHolding(bench, ['a', 'b']);
  const second = await bench.open();
  assert.equal((await second.consume().take(2)).length, 2);
  await crash(bench, second);
  const process = await bench.open();
  const consumer = process.consume();
  await process.publish(...numbered('n', 5).map((id) => ({ id, key: id })));

  const [alone, ...others] = await consumer.take(10);
  assert.deepEqual([alone!.attempt, alone!.suspicion, others.length], [3, 'beside', 0]);
  await process.publish({ id: 'new' });
  assert.deepEqual(consumer.received, []);

  await process.settle(ack(alone!));
  await settleTurns(8);
  assert.equal(consumer.received.length, 1, 'the other one, alone as well');
  await process.settle(ack(consumer.received[0]!));
  await settleTurns(8);
  assert.deepEqual(idsOf(consumer.received.slice(1)).toSorted(), [
    'n1',
    'n2',
    'n3',
    'n4',
    'n5',
    'new',
  ]);
});

test('a process that holds something falls silent before it tries a suspect alone', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  const consumer = process.consume();
  await process.publish({ id: 'long' });
  const [long] = await consumer.take(1);
  for (let crashes = 0; crashes < 2; crashes++) {
    if (crashes === 0) await process.publish({ id: 'a' }, { id: 'b' });
    const victim = await bench.open();
    assert.equal((await victim.consume().take(2)).length, 2);
    await crash(bench, victim);
  }

  await process.publish({ id: 'free' });
  assert.deepEqual(await consumer.take(10), [], 'it waits for what it holds');
  await process.settle(ack(long!));
  await settleTurns(8);

  assert.equal(consumer.received.length, 1);
  expect(['a', 'b']).toContain(consumer.received[0]!.id);
});

test('the only thing that was out when its process died is held against it', async () => {
  const bench = sqliteBench();
  await crashHolding(bench, ['m']);
  const process = await bench.open();

  const [again] = await process.consume().take(1);

  assert.deepEqual([again!.attempt, again!.suspicion], [2, 'alone']);
});

test('a suspect that is retried is one no more', async () => {
  const bench = sqliteBench();
  await crashHolding(bench, ['m']);
  const process = await bench.open();
  const consumer = process.consume();
  const [suspect] = await consumer.take(1);

  await process.settle(retry(suspect!));
  const [again] = await consumer.take(1);

  assert.deepEqual([again!.attempt, again!.suspicion], [3, 'none']);
});

test('what a closing process gives back keeps its attempt', async () => {
  const bench = sqliteBench();
  const first = await bench.open();
  await first.subscribe();
  await first.publish({ id: 'a' }, { id: 'b', key: 'k' }, { id: 'c', key: 'k' });
  assert.equal((await first.consume().take(3)).length, 3);
  await first.transport.close();

  const received = await (await bench.open()).consume().take(20);

  assert.deepEqual(idsOf(received).toSorted(), ['a', 'b', 'c']);
  assert.ok(received.every(({ attempt, suspicion }) => attempt === 1 && suspicion === 'none'));
});

function wakings({ events }: SqliteProcess): unknown[] {
  return events.filter(({ kind }) => kind === 'woken');
}

/** One process took these messages, without order, and died. */
async function crashHolding(bench: SqliteBench, ids: readonly string[]): Promise<void> {
  const victim = await bench.open();
  await victim.subscribe();
  await victim.publish(...ids.map((id) => ({ id })));
  assert.equal((await victim.consume().take(ids.length)).length, ids.length);
  await crash(bench, victim);
}

async function crash(bench: SqliteBench, process: SqliteProcess): Promise<void> {
  process.transport.abandon();
  await bench.clock.advance(leaseMs + 1_000);
}

function retry(delivery: Settlement['delivery']): Settlement {
  return { kind: 'retry', delivery, afterMs: 0, failure: { name: 'Error', message: 'again' } };
}
