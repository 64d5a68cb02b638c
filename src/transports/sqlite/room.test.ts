/** Room in a subscription that is full, as an ack sees it. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { numbered, outgoing, sqliteBench } from '../../../test/support/sqlite-bench.ts';

test('an ack that publishes to its own full subscription takes the place it frees', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe({ maxDepth: 2 });
  await process.publish(...numbered('m', 2).map((id) => ({ id })));
  const taken = await process.consume().take(2);

  const batch = taken.map((delivery) => {
    const publish = [outgoing({ id: `after ${delivery.id}` })];
    return { kind: 'ack' as const, delivery, opens: [], publish };
  });
  assert.deepEqual(await process.settle(...batch), ['settled', 'settled']);

  assert.deepEqual(bench.rows('select message_id from ml_message order by id'), [
    ['after m1'],
    ['after m2'],
  ]);
});

test('an ack that publishes more than the place it frees finds no room', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe({ maxDepth: 1 });
  await process.publish({ id: 'm' });
  const [delivery] = await process.consume().take(1);

  const publish = numbered('n', 2).map((id) => outgoing({ id }));
  const outcomes = await process.settle({ kind: 'ack', delivery: delivery!, opens: [], publish });

  assert.deepEqual(outcomes, ['full']);
});
