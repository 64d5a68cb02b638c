/** A message is found by its id before and after it enters the index, and never twice. */
import assert from 'node:assert/strict';
import { expect, test } from 'vitest';
import {
  ack,
  deadLetter,
  idsOf,
  numbered,
  sqliteBench,
} from '../../../test/support/sqlite-bench.ts';

test('messages are found at once, and after they have stood for long, in every subscription', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  await process.subscribe({ name: 'mailing', order: 'none' });
  const { store } = process.transport;

  await process.publish({ id: 'a', key: 'k' }, { id: 'b' });
  assert.deepEqual(bench.rows('select named from ml_message where named = 1'), []);
  for (const id of ['a', 'b']) assert.equal((await store.get(id)).length, 2, id);

  await standForLong();
  assert.deepEqual(bench.rows('select count(*) from ml_message where named = 0'), [[0]]);
  for (const id of ['a', 'b']) assert.equal((await store.get(id)).length, 2, id);
  assert.equal(await store.cancel('a'), 'cancelled');
  assert.deepEqual(await store.get('a'), []);

  async function standForLong(): Promise<void> {
    for (let turns = 0; turns < 3; turns++) {
      await bench.clock.advance(260);
      await process.transport.queue.mark([{ fact: `turn:${turns}`, state: 'fulfilled' }]);
    }
  }
});

test('a backlog of thousands enters the index in bounded steps, whoever does them', async () => {
  const bench = sqliteBench();
  const first = await bench.open();
  await first.subscribe();
  const ids = numbered('m', 6_000);
  for (let from = 0; from < ids.length; from += 1_000) {
    await first.publish(...ids.slice(from, from + 1_000).map((id) => ({ id, key: id })));
    await bench.clock.advance(10);
  }
  first.transport.abandon();

  const second = await bench.open();
  await bench.clock.advance(10_000);

  assert.deepEqual(bench.rows('select count(*) from ml_message where named = 0'), [[0]]);
  expect(await second.transport.store.get('m1')).toHaveLength(1);
  expect(await second.transport.store.get('m6000')).toHaveLength(1);
});

test('a blocked head that goes back is found once', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe({ onDead: 'block' });
  const { store } = process.transport;
  const consumer = process.consume();
  await process.publish({ id: 'a', key: 'k' }, { id: 'b', key: 'k' });
  const [head] = await consumer.take(1);
  await process.settle(deadLetter(head!));

  const dead = await store.get('a');
  assert.deepEqual(
    dead.map(({ state }) => state),
    ['dead'],
  );
  assert.equal(await store.redrive({ ids: ['a'], subscription: null }), 1);
  const again = await consumer.take(2);
  assert.deepEqual(idsOf(again), ['a', 'b']);
  assert.equal((await store.get('a')).length, 1);
  await process.settle(...again.map(ack));
  assert.deepEqual(await store.get('a'), []);
});
