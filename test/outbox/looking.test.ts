/** Where a message is that was published in a transaction, before a relay has carried it over. */
import assert from 'node:assert/strict';
import { createBus, message } from 'malote';
import { sqlite } from 'malote/sqlite';
import { describe, test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { listenTo } from '../support/transitions.ts';
import { placeIn, quiet } from './places.ts';

const folder = temporaryFolder();
const Placed = message<number>('order.placed', { orderBy: () => 'k' });

describe('a message that waits for its relay', () => {
  test('is found in the outbox, and then where it was relayed to', async () => {
    const place = placeIn(folder);
    const told = listenTo(place.name);
    await using waiting = place.make({ relay: false });
    await waiting.subscribe('orders', Placed);
    await waiting.transaction(({ publish }) => void publish(Placed, 1, { id: 'o-1' }));

    const [view, ...none] = await waiting.messages.get('o-1');
    assert.deepEqual(none, []);
    const { subscription, state, key } = view!;
    assert.deepEqual(
      { subscription, state, key },
      {
        subscription: 'malote.outbox',
        state: 'ready',
        key: 'k',
      },
    );

    await using relaying = place.make();
    await relaying.start();
    await told.count('relayed', 1);
    const relayed = await waiting.messages.get('o-1');
    assert.deepEqual(
      relayed.map((one) => one.subscription),
      ['orders'],
    );
  });

  test('cannot be cancelled, and is not said to be unknown', async () => {
    await using bus = placeIn(folder).make({ relay: false });
    await bus.transaction(({ publish }) => void publish(Placed, 1, { id: 'o-1' }));

    assert.equal(await bus.messages.cancel('o-1'), 'leased');
    assert.equal(await bus.messages.cancel('o-2'), 'not-found');
    assert.deepEqual(await bus.messages.get('o-2'), []);
  });

  test('is found while the engine is away', async () => {
    const place = placeIn(folder);
    const engine = sqlite(place.engine);
    const away = { ...engine, open: () => Promise.reject(new Error('away')) };
    await using bus = createBus({
      engine: away,
      store: sqlite(place.store),
      relay: false,
      ...quiet,
    });
    await bus.transaction(({ publish }) => void publish(Placed, 1, { id: 'o-1' }));

    const [view] = await bus.messages.get('o-1');
    assert.equal(view?.subscription, 'malote.outbox');
    await assert.rejects(bus.messages.get('o-2'));
  });

  test('is not mixed up with one of another bus in the same file', async () => {
    const place = placeIn(folder);
    await using other = createBus({ engine: sqlite(place.store), ...quiet });
    await other.subscribe('theirs', Placed);
    await other.publish(Placed, 1, { id: 'o-1' });
    await using bus = place.make({ relay: false });

    assert.deepEqual(await bus.messages.get('o-1'), []);
    assert.equal(await bus.messages.cancel('o-1'), 'not-found');
    assert.equal((await other.messages.get('o-1')).length, 1);
  });
});
