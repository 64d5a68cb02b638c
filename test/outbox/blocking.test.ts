/** `relay: { onDead: 'block' }`: a message that the engine refuses for good holds up its key. */
import assert from 'node:assert/strict';
import { type Bus, createBus, type Engine, MaloteError, message } from 'malote';
import { sqlite, type SqliteTransaction } from 'malote/sqlite';
import { describe, onTestFinished, test } from 'vitest';
import { forwardOne, type Stopped } from '../../src/transport/forward.ts';
import type { Outgoing } from '../../src/transport/transport.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { listenTo } from '../support/transitions.ts';
import { type Place, placeIn, quiet } from './places.ts';

const folder = temporaryFolder();
const Placed = message<{ n: number; key: string }>('order.placed', { orderBy: ({ key }) => key });
const tooLarge = new MaloteError('MESSAGE_TOO_LARGE', 'too much for the target');

interface Target {
  readonly engine: Engine<SqliteTransaction>;
  /** Numbers that it refuses for good. */
  readonly refused: Set<number>;
}

/** An SQLite file that refuses some, as a server does that has a limit of its own. */
function targetIn({ engine: file }: Place): Target {
  const inner = sqlite(file);
  const refused = new Set<number>();
  const isRefused = ({ body }: Outgoing): boolean =>
    refused.has((JSON.parse(String(body)) as { n: number }).n);
  const engine: typeof inner = {
    ...inner,
    async open(host) {
      const transport = await inner.open(host);
      const { queue } = transport;
      const forward: typeof queue.forward = async (batch) => {
        const stopped: Stopped = new Map();
        const passed: Outgoing[] = [];
        const answers = batch.map((one) =>
          forwardOne(stopped, one, () => {
            if (isRefused(one)) return { kind: 'refused', error: tooLarge };
            passed.push(one);
            return { kind: 'stored' };
          }),
        );
        await queue.forward(passed);
        return answers;
      };
      return { ...transport, queue: { ...queue, forward } };
    },
  };
  return { engine, refused };
}

interface Blocking extends Target {
  readonly place: Place;
  readonly told: ReturnType<typeof listenTo>;
  /** What was handled, oldest first. */
  readonly seen: number[];
  /** A bus of this place, with a consumer if it relays. */
  start(relay: boolean | { onDead: 'skip' | 'block' }): Promise<Bus<SqliteTransaction>>;
}

function blocking(): Blocking {
  const place = placeIn(folder);
  const target = targetIn(place);
  const told = listenTo(place.name);
  const seen: number[] = [];
  return {
    ...target,
    place,
    told,
    seen,
    async start(relay) {
      const { engine } = target;
      const store = sqlite(place.store);
      const bus = createBus({ engine, store, relay, name: place.name, ...quiet });
      onTestFinished(() => bus.stop());
      if (relay !== false) {
        bus.consume(Placed, { name: 'orders' }, ({ data }) => void seen.push(data.n));
      }
      await bus.start();
      return bus;
    },
  };
}

/** In one transaction, so that one relay has them in one batch. */
async function publishTo(
  bus: Bus<SqliteTransaction>,
  key: string,
  ...numbers: readonly number[]
): Promise<void> {
  await bus.transaction(({ publish }) => {
    for (const n of numbers) publish(Placed, { n, key }, { id: `${key}-${n}` });
  });
}

/** Handled, and no rows any more. */
async function done(told: ReturnType<typeof listenTo>, ...ids: readonly string[]): Promise<void> {
  await told.count('acked', ids.length);
  await told.until((all) => {
    const relayed = all.flatMap((event) => (event.kind === 'relayed' ? event.ids : []));
    return ids.every((id) => relayed.includes(id));
  });
}

async function standing(bus: Bus<SqliteTransaction>): Promise<readonly unknown[]> {
  const { waiting, dead, blockedKeys } = await bus.outbox.stats();
  return [waiting, dead, blockedKeys];
}

describe('a message that the engine refuses for good', () => {
  test('stops its key, named by an event, and no other one', async () => {
    const { start, refused, told, seen } = blocking();
    const bus = await start({ onDead: 'block' });
    refused.add(2);

    await publishTo(bus, 'k', 1, 2, 3, 4);
    await told.count('blocked', 1);
    await publishTo(bus, 'k', 5);
    await publishTo(bus, 'l', 10, 11);
    await done(told, 'k-1', 'l-10', 'l-11');

    assert.deepEqual(seen, [1, 10, 11]);
    assert.deepEqual(await standing(bus), [3, 1, ['k']]);
    const [event] = told.all.filter(({ kind }) => kind === 'blocked');
    const { at: _, bus: __, ...named } = event!;
    const subscription = 'malote.outbox';
    assert.deepEqual(named, { kind: 'blocked', subscription, key: 'k', id: 'k-2' });
    const { items } = await bus.outbox.dead.list();
    assert.deepEqual(
      items.map(({ id, key, reason }) => [id, key, reason]),
      [['k-2', 'k', 'refused-by-target']],
    );
    assert.deepEqual(
      (await bus.messages.get('k-3')).map((one) => [one.subscription, one.state]),
      [[subscription, 'ready']],
    );
  });

  test('is relayed first when it is redriven, and then those behind it', async () => {
    const { start, refused, told, seen } = blocking();
    const bus = await start({ onDead: 'block' });
    refused.add(1);
    await publishTo(bus, 'k', 1, 2);
    await publishTo(bus, 'k', 3);
    await told.count('blocked', 1);

    const again = told.count('blocked', 2);
    assert.deepEqual(await bus.outbox.dead.redrive('k-1'), { redriven: 1 });
    await again;
    assert.deepEqual([seen, await standing(bus)], [[], [2, 1, ['k']]]);
    refused.clear();
    await bus.outbox.dead.redrive('k-1');
    await done(told, 'k-1', 'k-2', 'k-3');

    assert.deepEqual(seen, [1, 2, 3]);
    assert.deepEqual(await standing(bus), [0, 0, []]);
  });

  test('is gone when it is cancelled, and those behind it go on', async () => {
    const { start, refused, told, seen, place: files } = blocking();
    const bus = await start({ onDead: 'block' });
    refused.add(1);
    await publishTo(bus, 'k', 1, 2, 3);
    await told.count('blocked', 1);
    // The store's file may be the engine of others, who may have chosen the same id.
    await using other = createBus({ engine: sqlite(files.store), ...quiet });
    await other.subscribe('theirs', Placed);
    await other.publish(Placed, { n: 1, key: 'k' }, { id: 'k-1' });

    assert.equal(await bus.messages.cancel('k-3'), 'leased');
    assert.equal(await bus.messages.cancel('k-1'), 'cancelled');
    await done(told, 'k-2', 'k-3');

    assert.deepEqual(seen, [2, 3]);
    assert.deepEqual(await bus.messages.get('k-1'), []);
    assert.deepEqual((await bus.outbox.stats()).blockedKeys, []);
    const theirs = (await other.messages.get('k-1')).filter((one) => one.subscription === 'theirs');
    assert.deepEqual(
      theirs.map(({ state }) => state),
      ['ready'],
    );
    assert.equal(await bus.messages.cancel('k-1'), 'not-found');
  });

  test('keeps its key blocked for the next relay, whoever else looks at the outbox', async () => {
    const { start, refused, told, seen } = blocking();
    // Prepares the outbox before anybody relays: it says nothing of what is to become of keys.
    const app = await start(false);
    await publishTo(app, 'k', 1, 2);
    refused.add(1);
    const first = await start({ onDead: 'block' });
    await told.count('blocked', 1);
    await first.stop();
    await using looking = await start(false);
    assert.deepEqual(await standing(looking), [1, 1, ['k']]);

    const second = await start({ onDead: 'block' });
    await publishTo(second, 'l', 10);
    await done(told, 'l-10');

    assert.deepEqual(seen, [10]);
    assert.deepEqual(await standing(second), [1, 1, ['k']]);
  });

  test('is skipped by default, and once nobody blocks any more', async () => {
    const { start, refused, told, seen } = blocking();
    refused.add(1);
    const blocks = await start({ onDead: 'block' });
    await blocks.stop();
    const skips = await start(true);

    await publishTo(skips, 'k', 1, 2);
    await done(told, 'k-2');

    assert.deepEqual(seen, [2]);
    assert.deepEqual(await standing(skips), [0, 1, []]);
  });
});
