/** `waiting: { order }`: whether the messages of a key wait behind one that does. */
import assert from 'node:assert/strict';
import { createBus, dependency, message } from 'malote';
import { memory } from 'malote/memory';
import { testBus } from 'malote/testing';
import { describe, test } from 'vitest';
import { codeThrown } from './support.ts';

const stock = dependency('stock');
const Order = message<{ n: number; item?: string }>('order', {
  orderBy: () => 'shop',
  waitFor: ({ item }) => (item === undefined ? [] : stock(item)),
});

describe.each(['lanes', 'partitions'] as const)('%s', (shape) => {
  test.each([
    ['hold', [[], [1, 2, 3]]],
    [
      'overtake',
      [
        [2, 3],
        [2, 3, 1],
      ],
    ],
  ] as const)('%s', async (order, [before, after]) => {
    const seen: number[] = [];
    await using t = await testBus({
      shape,
      use: (bus) =>
        bus.consume(Order, { name: 's', waiting: { order } }, ({ data }) => {
          seen.push(data.n);
        }),
    });
    await t.publishMany(Order, [{ n: 1, item: 'tea' }, { n: 2 }, { n: 3 }]);
    await t.settle();
    assert.deepEqual(seen, before);
    assert.equal((await t.subscriptions.list())[0]?.waitingOrder, order);

    await t.fulfil(stock('tea'));
    await t.settle();
    assert.deepEqual(seen, after);
  });
});

test('another word is refused', () => {
  const bus = createBus({ engine: memory(), handleSignals: false, logger: false });
  const waiting = { order: 'skip' } as never;

  assert.equal(
    codeThrown(() => bus.consume(Order, { name: 's', waiting }, () => {})),
    'OPTION_INVALID',
  );
});
