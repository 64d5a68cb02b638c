/**
 * Work that is too much for one transaction: done step by step, in order, whoever does the steps.
 */
import assert from 'node:assert/strict';
import { expect, test } from 'vitest';
import { settleTurns } from '../../testing/virtual-clock.ts';
import {
  ack,
  deadLetter,
  idsOf,
  leaseMs,
  numbered,
  outgoing,
  sqliteBench,
  type SqliteProcess,
} from '../../../test/support/sqlite-bench.ts';
import { dedupeWindowMs, ordinaryLifeMs } from './repetitions.ts';

test('a thousand kept messages are adopted in order, with those that come meanwhile behind', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  const kept = numbered('m', 1_000);
  await process.publish(...kept.map((id, index) => ({ id, key: `k${index % 7}` })));

  const subscribing = process.subscribe();
  const late = numbered('n', 300);
  const publishing = Promise.all(
    late.map((id, index) => process.publish({ id, key: `k${index % 7}` })),
  );
  await Promise.all([subscribing, publishing]);

  const byKey = new Map<string | null, string[]>();
  for (const { id, key } of await drain(process, 1_300)) {
    byKey.set(key, [...(byKey.get(key) ?? []), id]);
  }
  for (const [key, ids] of byKey) {
    const sent = [...kept, ...late].filter((id) => ids.includes(id));
    assert.deepEqual(ids, sent, String(key));
  }
  assert.deepEqual(bench.rows('select count(*) from ml_kept'), [[0]]);
});

test('a subscription that was there before gets new messages while another one adopts', async () => {
  const process = await sqliteBench().open();
  await process.publish(...numbered('m', 600).map((id) => ({ id })));
  await process.subscribe({ name: 'early', from: 'now' });

  const subscribing = process.subscribe({ name: 'late', from: 'kept' });
  await process.publish({ id: 'new' });
  await subscribing;

  assert.deepEqual(idsOf(await drain(process, 1, 'early')), ['new']);
  const adopted = idsOf(await drain(process, 601, 'late'));
  assert.deepEqual(adopted, [...numbered('m', 600), 'new']);
});

test('a fact wakes a thousand keys, though the process that opened it dies at once', async () => {
  const bench = sqliteBench();
  const first = await bench.open();
  await first.subscribe();
  const waiting = numbered('m', 1_000).map((id) => ({ id, key: id, facts: ['rates:today'] }));
  await first.publish(...waiting);

  await first.transport.queue.mark([{ fact: 'rates:today', state: 'fulfilled' }]);
  first.transport.abandon();
  expect(bench.rows('select count(*) from ml_wait')[0]![0]).toBeGreaterThan(0);
  const second = await bench.open();
  await second.publish({ id: 'late', key: 'late', facts: ['rates:today'] });

  assert.equal((await drain(second, 1_001)).length, 1_001);
  assert.deepEqual(bench.rows('select * from ml_wait'), []);
  assert.deepEqual(bench.rows('select * from ml_chore'), []);
});

test('a fact that is revoked while its keys are being woken wakes no more of them', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  const waiting = numbered('m', 1_000).map((id) => ({ id, key: id, facts: ['rates:today'] }));
  await process.publish(...waiting);

  const opening = process.transport.queue.mark([{ fact: 'rates:today', state: 'fulfilled' }]);
  const closing = process.transport.queue.mark([{ fact: 'rates:today', state: 'revoked' }]);
  await Promise.all([opening, closing]);
  await settleTurns(20);

  const consumer = process.consume();
  assert.deepEqual(await consumer.take(1_000), [], 'a claim looks at the fact once more');
  assert.deepEqual(bench.rows('select waiting, ready from ml_tally'), [[1_000, 0]]);
});

test('the dead head of a key takes a thousand followers along, and all come back in order', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe({ onDead: 'divert' });
  const ids = numbered('m', 1_000);
  await process.publish(...ids.map((id) => ({ id, key: 'k' })));
  const consumer = process.consume();
  const [head] = await consumer.take(1);
  await process.settle(deadLetter(head!));
  await process.publish({ id: 'later', key: 'k' });
  await settleTurns(20);
  await process.publish({ id: 'after', key: 'k' });
  assert.deepEqual(bench.rows('select dead, ready from ml_tally'), [[1_002, 0]]);

  const redriving = process.transport.store.redrive({ ids: ['m1'], subscription: null });
  const meanwhile = process.publish({ id: 'last', key: 'k' });

  await Promise.all([redriving, meanwhile]);
  const received = idsOf(await drain(process, 1_003));
  assert.deepEqual(received.slice(0, 1_000), ids);
  assert.deepEqual(received.slice(1_000), ['later', 'after', 'last']);
  assert.deepEqual(bench.rows('select dead, ready, done from ml_tally'), [[0, 0, 1_003]]);
});

test.each([250, 600])(
  'a redrive of %i that is cut short goes on by itself, once',
  async (count) => {
    const bench = sqliteBench();
    const process = await bench.open();
    await process.subscribe({ onDead: 'divert' });
    const ids = numbered('m', count);
    await process.publish(...ids.map((id) => ({ id, key: 'k' })));
    const [head] = await process.consume().take(1);
    await process.settle(deadLetter(head!));
    await settleTurns(20);
    assert.deepEqual(bench.rows('select dead, ready from ml_tally'), [[count, 0]]);

    const redriving = process.transport.store.redrive({ ids: ['m1'], subscription: null });
    const cut = assert.rejects(redriving);
    while (bench.rows('select 1 from ml_message').length === 0) await settleTurns(1);
    process.transport.abandon();
    await cut;
    const other = await bench.open();

    assert.equal(await other.transport.store.redrive({ ids: ['m1'], subscription: null }), 0);
    assert.deepEqual(idsOf(await drain(other, count)), ids);
    assert.deepEqual(bench.rows('select dead, ready, done from ml_tally'), [[0, 0, count]]);
    assert.deepEqual(bench.rows('select * from ml_chore'), []);
  },
);

test('a redrive asked for twice answers each letter once, though a key takes many steps', async () => {
  const bench = sqliteBench();
  const [process, other] = [await bench.open(), await bench.open()];
  await process.subscribe({ onDead: 'divert' });
  const ids = numbered('m', 600);
  await process.publish(...ids.map((id) => ({ id, key: 'k' })));
  const [head] = await process.consume().take(1);
  await process.settle(deadLetter(head!));
  await settleTurns(20);

  const all = { all: true, subscription: 'billing' } as const;
  const counts = await Promise.all([
    process.transport.store.redrive(all),
    other.transport.store.redrive(all),
  ]);

  assert.equal(counts[0] + counts[1], 600);
  assert.deepEqual(idsOf(await drain(other, 600)), ids);
});

test('a key that goes back while its followers are still on their way is whole, in order', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe({ onDead: 'divert' });
  const ids = numbered('m', 1_000);
  await process.publish(...ids.map((id) => ({ id, key: 'k' })));
  const [head] = await process.consume().take(1);

  await process.settle(deadLetter(head!));
  await process.transport.store.redrive({ ids: ['m1'], subscription: 'billing' });

  assert.deepEqual(idsOf(await drain(process, 1_000)), ids);
  assert.deepEqual(bench.rows('select dead, ready, done from ml_tally'), [[0, 0, 1_000]]);
  assert.deepEqual(bench.rows('select * from ml_chore'), []);
});

test('a forgotten subscription leaves nothing behind, and its leases are lost', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  const other = await bench.open();
  const consumer = process.consume();
  await process.publish(
    ...numbered('m', 400).map((id, index) => ({ id, key: index % 2 === 0 ? null : id })),
    ...numbered('w', 50).map((id) => ({ id, facts: ['customer:1'] })),
    ...numbered('d', 300).map((id) => ({ id, delayMs: 60_000 })),
  );
  const taken = await consumer.take(20);

  assert.equal(await other.transport.queue.unsubscribe('billing'), true);
  assert.equal(await other.transport.queue.unsubscribe('billing'), false);
  await bench.clock.advance(1_000);

  expect(consumer.lost.length).toBeGreaterThan(0);
  assert.deepEqual(new Set(await process.settle(...taken.map(ack))), new Set(['lease-lost']));
  for (const table of ['message', 'lane', 'later', 'wait', 'tally', 'subscription', 'lease']) {
    assert.deepEqual(bench.rows(`select * from ml_${table}`), [], table);
  }
});

test('what came longer ago than the window is forgotten step by step', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  await process.publish(...numbered('m', 600).map((id) => ({ id, dedupe: [id] })));
  const again = { id: 'again', dedupe: ['m1'] };
  const [known] = await process.transport.queue.publish([outgoing(again)]);
  assert.deepEqual(known, { kind: 'duplicate', id: 'm1' });
  await drain(process, 600);
  process.transport.abandon();

  await bench.clock.advance(dedupeWindowMs + ordinaryLifeMs);
  const next = await bench.open();
  // Not forgotten yet, and too old all the same.
  await next.publish({ id: 'new', dedupe: ['m600'] });
  await settleTurns(20);

  assert.deepEqual(bench.rows('select key from ml_dedupe'), [['m600']]);
  await next.publish(again);
});

test('what is over is remembered as long as its message is there, and written anew', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  const [there, gone] = [numbered('there', 300), numbered('gone', 300)];
  await process.publish(...gone.map((id) => ({ id, dedupe: [`a ${id}`, `b ${id}`] })));
  await drain(process, 300);
  await process.publish(...there.map((id) => ({ id, dedupe: [`a ${id}`, `b ${id}`] })));
  process.transport.abandon();

  await bench.clock.advance(dedupeWindowMs + ordinaryLifeMs);
  await bench.open();
  await settleTurns(20);

  const rows = bench.rows('select message_id, ends_at - at from ml_dedupe order by number');
  const again = 2 * dedupeWindowMs + ordinaryLifeMs;
  assert.deepEqual(
    rows,
    there.flatMap((id) => [
      [id, again],
      [id, again],
    ]),
  );
});

test('messages that become due together are promoted in the order they were published', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  const ids = numbered('m', 1_000);
  await process.publish(...ids.map((id) => ({ id, key: 'k', delayMs: 5_000 })));

  await bench.clock.advance(leaseMs);

  assert.deepEqual(idsOf(await drain(process, 1_000)), ids);
});

test('messages with thousands of facts are stored over several turns', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  const facts = numbered('customer:', 2_000);
  const publishing = process.publish(...numbered('m', 20).map((id) => ({ id, facts })));

  const [stored] = bench.rows('select count(*) from ml_message')[0]! as [number];
  assert.equal(stored, 0);
  const counts = new Set<number>();
  for (let count = 0; count < 20; counts.add(count)) {
    await settleTurns(1);
    [count] = bench.rows('select count(*) from ml_message')[0]! as [number];
  }
  await publishing;

  assert.ok(counts.size > 3, [...counts].join());
});

async function drain(process: SqliteProcess, count: number, name = 'billing') {
  const consumer = process.consume(name);
  const received = [];
  for (let rounds = 0; received.length < count && rounds < 200; rounds++) {
    const batch = await consumer.take(100);
    received.push(...batch);
    await process.settle(...batch.map(ack));
  }
  consumer.stop();
  return received;
}
