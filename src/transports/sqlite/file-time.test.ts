/** What a machine's clock that is set back or forward does to messages: nothing. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import {
  ack,
  idsOf,
  leaseMs,
  outgoing,
  type SqliteBench,
  sqliteBench,
} from '../../../test/support/sqlite-bench.ts';

const hourMs = 3_600_000;

test('a clock that is set back keeps nothing from being handed out', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  await process.publish({ id: 'before', key: 'k' });

  setClock(bench, -hourMs);
  const other = await bench.open();
  await other.publish({ id: 'later', delayMs: 1_000 }, { id: 'after', key: 'l' });
  const consumer = other.consume();
  assert.deepEqual(idsOf(await consumer.take(3)), ['before', 'after']);
  await bench.clock.advance(1_300);

  assert.deepEqual(idsOf(consumer.received), ['later']);
});

test('a clock that cannot be right is not believed: the time of the file goes on', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  await process.publish({ id: 'before', key: 'a' });

  setClock(bench, 100 * 366 * 24 * hourMs);
  const other = await bench.open();
  await process.publish({ id: 'under', key: 'b', facts: ['customer:1'] });
  await other.publish({ id: 'too', key: 'c', delayMs: 1_000 });
  const tx = bench.connect();
  tx.exec('begin');
  other.transport.join!.publish(tx, [outgoing({ id: 'joined', key: 'd' })]);
  tx.exec('commit');
  const consumer = other.consume();
  await consumer.take(5);
  await bench.clock.advance(2_000);
  assert.deepEqual(idsOf(consumer.received), ['too'], 'a second has passed');
  setClock(bench, -100 * 366 * 24 * hourMs);
  await process.transport.queue.mark([{ fact: 'customer:1', state: 'fulfilled' }]);
  await process.publish({ id: 'after', key: 'e' });
  await bench.clock.advance(2_000);

  assert.deepEqual(idsOf(consumer.received), ['too', 'under', 'after']);
  const [[now]] = bench.rows('select now from ml_meta') as [[number]];
  assert.ok(now < bench.clock.now() + hourMs, new Date(now).toISOString());
});

test('a clock that is set forward ends no lease of a process that lives', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  const other = await bench.open();
  await process.subscribe();
  await process.publish({ id: 'm' });
  const [held] = await process.consume().take(1);

  setClock(bench, hourMs);
  await other.publish({ id: 'n' });
  await bench.clock.advance(2 * leaseMs);
  await other.publish({ id: 'o' });

  assert.deepEqual(await process.settle(ack(held!)), ['settled']);
  assert.deepEqual(other.events, []);
});

test('nor does a process that opens the file right after that', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  await process.publish({ id: 'm' });
  const [held] = await process.consume().take(1);

  setClock(bench, hourMs);
  const other = await bench.open();
  await other.publish({ id: 'n' });
  await bench.clock.advance(2 * leaseMs);

  assert.deepEqual(await process.settle(ack(held!)), ['settled']);
  assert.deepEqual(other.events, []);
});

test('a process that dies when the clock is set forward is taken over a lease later', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  await process.publish({ id: 'm' });
  bench.connect().exec(`
    insert into ml_session (id, until_at, process, beside)
    select 1000, now + ${leaseMs}, 'dead', 0 from ml_meta`);

  setClock(bench, hourMs);
  await process.publish({ id: 'n' });
  await bench.clock.advance(leaseMs - 500);
  assert.equal(bench.rows('select 1 from ml_session where id = 1000').length, 1);
  await bench.clock.advance(1_000);

  assert.deepEqual(bench.rows('select 1 from ml_session where id = 1000'), []);
});

function setClock({ clock }: SqliteBench, byMs: number): void {
  const { now } = clock;
  Object.assign(clock, { now: () => now() + byMs });
}
