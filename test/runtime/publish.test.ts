/** Publishing: accepted, refused or indeterminate; delays, identity, back-pressure. */
import assert from 'node:assert/strict';
import { createBus, MaloteError, message } from 'malote';
import { memory } from 'malote/memory';
import { rabbitmq } from 'malote/rabbitmq';
import { settleTurns, testBus } from 'malote/testing';
import * as v from 'valibot';
import { describe, test } from 'vitest';
import { z } from 'zod';
import type { Engine, Outgoing } from '../../src/transport/transport.ts';
import { codeOf } from './support.ts';

const Order = message('order.placed', {
  schema: z.object({ id: z.string(), amount: z.coerce.number().positive() }),
  dedupe: (order) => order.id,
});
const Note = message<{ n: number }>('note');

test('data is checked at publish and parsed at delivery, once', async () => {
  const seen: unknown[] = [];
  await using t = await testBus({
    use: (bus) => bus.consume(Order, { name: 'orders' }, (msg) => void seen.push(msg.data)),
  });
  assert.equal(await codeOf(t.publish(Order, { id: 'a', amount: -1 })), 'DATA_INVALID');
  await t.publish(Order, { id: 'a', amount: '10.50' });
  await t.settle();
  assert.deepEqual(seen, [{ id: 'a', amount: 10.5 }]);
});

test('a schema of another library that keeps to Standard Schema serves as well', async () => {
  const amount = v.pipe(v.string(), v.transform(Number), v.minValue(1));
  const Other = message('other', { schema: v.object({ id: v.string(), amount }) });
  const seen: number[] = [];
  await using t = await testBus({
    use: (bus) => bus.consume(Other, { name: 'others' }, (msg) => void seen.push(msg.data.amount)),
  });
  assert.equal(await codeOf(t.publish(Other, { id: 'a', amount: '0' })), 'DATA_INVALID');
  await t.publish(Other, { id: 'a', amount: '10.50' });
  await t.settle();
  assert.deepEqual(seen, [10.5]);
});

test('the same dedupe key, or the same id, makes one message', async () => {
  const seen: string[] = [];
  await using t = await testBus({
    use: (bus) => bus.consume([Order, Note], { name: 'all' }, (msg) => void seen.push(msg.id)),
  });
  const first = await t.publish(Order, { id: 'a', amount: 1 });
  const again = await t.publish(Order, { id: 'a', amount: 1 });
  assert.deepEqual(again, { id: first.id, duplicate: true });
  await t.publish(Note, { n: 1 }, { id: 'mine' });
  await t.settle();
  assert.deepEqual(await t.publish(Note, { n: 1 }, { id: 'mine' }), {
    id: 'mine',
    duplicate: true,
  });
  await t.settle();
  assert.deepEqual(seen.toSorted(), [first.id, 'mine'].toSorted());
});

test('a delayed message is never early, and `at` is a delay until then', async () => {
  const seen: number[] = [];
  await using t = await testBus({
    use: (bus) => bus.consume(Note, { name: 'notes' }, (msg) => void seen.push(msg.data.n)),
  });
  await t.publish(Note, { n: 2 }, { delay: '1m' });
  await t.publish(Note, { n: 1 }, { at: new Date(t.clock.now().getTime() + 30_000) });
  await t.clock.advance('29.999s');
  await t.settle();
  assert.deepEqual(seen, []);
  await t.clock.advance('1ms');
  await t.settle();
  assert.deepEqual(seen, [1]);
  await t.clock.advance('30s');
  await t.settle();
  assert.deepEqual(seen, [1, 2]);
});

test('a check that takes long holds back what is published after it', async () => {
  const answers = new Map<string, () => void>();
  let isSlow = true;
  const schema = z.object({
    id: z.string().refine(async (id) => {
      if (isSlow) await new Promise<void>((resolve) => answers.set(id, resolve));
      return id !== 'bad';
    }),
  });
  const Checked = message('checked', { schema, orderBy: () => 'k' });
  const Plain = message<{ n: number }>('plain', { orderBy: () => 'k' });
  const seen: string[] = [];
  await using t = await testBus({
    use: (bus) => bus.consume([Checked, Plain], { name: 'all' }, (msg) => void seen.push(msg.id)),
  });

  const calls = ['slow', 'bad', 'fast'].map((id) => t.publish(Checked, { id }, { id }));
  const published = [...calls, t.publish(Plain, { n: 1 }, { id: 'plain' })];
  const codes = Promise.all(published.map(codeOf));
  for (const id of ['fast', 'bad', 'slow']) {
    await settleTurns();
    isSlow = id !== 'slow';
    answers.get(id)!();
  }

  const none = 'nothing rejected';
  assert.deepEqual(await codes, [none, 'DATA_INVALID', none, none]);
  await t.settle();
  assert.deepEqual(seen, ['slow', 'fast', 'plain']);
});

describe('a full subscription', () => {
  const full = { name: 'notes', maxDepth: 2, concurrency: 1 };

  test('refuses with QUEUE_FULL and stores nothing', async () => {
    await using t = await testBus({ use: (bus) => bus.consume(Note, full, () => {}) });
    await t.subscriptions.pause('notes');
    await t.publish(Note, { n: 1 });
    await t.publish(Note, { n: 2 });
    const error = await t.publish(Note, { n: 3 }).catch((reason: unknown) => reason);
    assert.ok(error instanceof MaloteError && error.code === 'QUEUE_FULL');
    assert.equal(typeof error.id, 'string');
    assert.equal((await t.subscriptions.stats('notes')).depth, 2);
  });

  test('blocks a publish that may wait until there is room', async () => {
    const seen: number[] = [];
    await using t = await testBus({
      use: (bus) => bus.consume(Note, full, (msg) => void seen.push(msg.data.n)),
    });
    await t.subscriptions.pause('notes');
    const all = [1, 2, 3, 4, 5].map((n) => t.publish(Note, { n }, { wait: '1m' }));
    await t.settle();
    await t.subscriptions.resume('notes');
    await t.clock.advance('1s');
    await Promise.all(all);
    await t.settle();
    assert.deepEqual(new Set(seen), new Set([1, 2, 3, 4, 5]));
    assert.equal(seen.length, 5);
  });

  test('lets in as many of those that wait as there is room for', async () => {
    const numbers = new Set(Array.from({ length: 100 }, (_, index) => index));
    let asked = 0;
    const engine = watched(memory(), (batch) => {
      asked += batch.length;
    });
    const bus = createBus({ engine, handleSignals: false, logger: false });
    const handled = new Promise<void>((resolve) => {
      bus.consume(Note, full, async ({ data }) => {
        await settleTurns();
        numbers.delete(data.n);
        if (numbers.size === 0) resolve();
      });
    });
    await bus.start();
    await Promise.all([...numbers].map((n) => bus.publish(Note, { n }, { wait: '1m' })));
    await handled;
    await bus.stop();
    assert.ok(asked < 500, `${asked} messages were handed to the engine`);
  });

  test('lets go of a publish whose time or signal has ended', async () => {
    await using t = await testBus({ use: (bus) => bus.consume(Note, full, () => {}) });
    await t.subscriptions.pause('notes');
    await t.publishMany(Note, [{ n: 1 }, { n: 2 }]);
    const late = codeOf(t.publish(Note, { n: 3 }, { wait: '5s' }));
    const control = new AbortController();
    const given = codeOf(t.publish(Note, { n: 4 }, { signal: control.signal }));
    await t.settle();
    control.abort();
    await t.clock.advance('6s');
    assert.equal(await late, 'QUEUE_FULL');
    assert.equal(await given, 'PUBLISH_ABORTED');
    assert.equal((await t.subscriptions.stats('notes')).depth, 2);
  });
});

test('a stop refuses those that wait for room, at once', async () => {
  const bus = createBus({ engine: memory(), handleSignals: false, logger: false });
  await bus.subscribe('notes', Note, { maxDepth: 1 });
  await bus.publish(Note, { n: 1 });
  const waiting = codeOf(bus.publish(Note, { n: 2 }, { wait: '1h' }));
  await settleTurns();
  await bus.stop();
  assert.equal(await waiting, 'BUS_STOPPED');
});

test('a handler that waited for room when the bus stopped has spent no attempt', async () => {
  const engine = memory();
  const bus = createBus({ engine, handleSignals: false, logger: false });
  await bus.subscribe('orders', Order, { maxDepth: 1 });
  await bus.publish(Order, { id: 'a', amount: 1 });
  const waits = new Promise<void>((resolve) => {
    bus.consume(Note, { name: 'notes', retry: { attempts: 1 } }, async () => {
      const waiting = bus.publish(Order, { id: 'b', amount: 1 }, { wait: '1h' });
      resolve();
      await waiting;
    });
  });
  await bus.start();
  await bus.publish(Note, { n: 1 });
  await waits;
  await bus.stop();

  const later = createBus({ engine, handleSignals: false, logger: false });
  const { ready, dead } = await later.subscriptions.stats('notes');
  assert.deepEqual([ready, dead], [1, 0]);
  await later.stop();
});

test('publishMany answers per item: accepted, refused, indeterminate', async () => {
  await using t = await testBus({ use: (bus) => bus.consume(Order, { name: 'orders' }, () => {}) });
  const results = await t.publishMany(Order, [
    { id: 'a', amount: 1 },
    { id: 'b', amount: 0 },
    { id: 'a', amount: 1 },
  ]);
  assert.deepEqual(
    results.map((result) => (result.status === 'accepted' ? result.duplicate : result.error.code)),
    [false, 'DATA_INVALID', true],
  );
  t.faults.loseReply(Order).once();
  const [unknown] = await t.publishMany(Order, [{ id: 'c', amount: 1 }]);
  assert.equal(unknown?.status, 'indeterminate');
});

test('an indeterminate publish can be repeated with its id and makes one message', async () => {
  const seen: string[] = [];
  await using t = await testBus({
    use: (bus) => bus.consume(Note, { name: 'notes' }, (msg) => void seen.push(msg.id)),
  });
  t.faults.loseReply(Note).once();
  const error = await t.publish(Note, { n: 1 }, { id: 'n-1' }).catch((reason: unknown) => reason);
  assert.ok(error instanceof MaloteError && error.code === 'INDETERMINATE' && error.id === 'n-1');
  assert.deepEqual(await t.publish(Note, { n: 1 }, { id: 'n-1' }), { id: 'n-1', duplicate: true });
  await t.settle();
  assert.deepEqual(seen, ['n-1']);
});

describe('bad options are refused by name, and nothing is stored', () => {
  const bus = createBus({ engine: memory(), handleSignals: false });
  test.each([
    [{ delya: '1s' }, 'OPTION_UNKNOWN'],
    [{ delay: -1 }, 'OPTION_INVALID'],
    [{ delay: '1 week' }, 'OPTION_INVALID'],
    [{ at: new Date(Number.NaN) }, 'OPTION_INVALID'],
    [{ at: new Date(), delay: 1 }, 'OPTION_INVALID'],
    [{ id: '' }, 'DATA_INVALID'],
    [{ id: 'x'.repeat(513) }, 'DATA_INVALID'],
    [{ orderKey: 5 }, 'DATA_INVALID'],
    [{ headers: { 'Content-Type': 'x' } }, 'OPTION_INVALID'],
    [{ headers: { 'malote-id': 'x' } }, 'OPTION_INVALID'],
    [{ headers: { note: 'a\r\nb: c' } }, 'OPTION_INVALID'],
    [{ headers: { note: 'x'.repeat(20_000) } }, 'OPTION_INVALID'],
    [{ wait: 'soon' }, 'OPTION_INVALID'],
    [{ tx: {} }, 'CAPABILITY_MISSING'],
  ])('%j: %s', async (options, code) => {
    assert.equal(await codeOf(bus.publish(Note, { n: 1 }, options as object)), code);
  });

  test.each([
    [{ enigne: memory() }, 'OPTION_UNKNOWN'],
    [{ engine: {} }, 'OPTION_INVALID'],
    [{ engine: memory(), lease: '10ms' }, 'OPTION_INVALID'],
    [{ engine: memory(), journal: 'some' }, 'OPTION_INVALID'],
    [{ engine: memory(), keepDone: '1d' }, 'OPTION_INVALID'],
    [{ engine: memory(), journal: 'all', keepDone: '10ms' }, 'OPTION_INVALID'],
    [{ engine: rabbitmq('amqp://localhost'), journal: 'all' }, 'CAPABILITY_MISSING'],
    [{ engine: memory(), maxBodyBytes: 0 }, 'OPTION_INVALID'],
  ])('createBus %#: %s', (options, code) => {
    assert.throws(() => createBus(options as never), { code });
  });
});

test('a publish after stop is refused', async () => {
  const bus = createBus({ engine: memory(), handleSignals: false });
  await bus.publish(Note, { n: 1 });
  await bus.stop();
  await bus.stop();
  assert.equal(await codeOf(bus.publish(Note, { n: 2 })), 'BUS_STOPPED');
  assert.equal(await codeOf(bus.start()), 'BUS_STOPPED');
});

/** An engine whose publishes somebody hears of. */
function watched(engine: Engine, hear: (batch: readonly Outgoing[]) => void): Engine {
  return {
    ...engine,
    async open(host) {
      const transport = await engine.open(host);
      const { queue } = transport;
      const publish = (batch: readonly Outgoing[]): ReturnType<typeof queue.publish> => {
        hear(batch);
        return queue.publish(batch);
      };
      return { ...transport, queue: { ...queue, publish } };
    },
  };
}
