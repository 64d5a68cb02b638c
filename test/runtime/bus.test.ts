/** The bus as a whole: subscriptions, stopping, looking and acting. */
import assert from 'node:assert/strict';
import { type Bus, createBus, dependency, message } from 'malote';
import { memory } from 'malote/memory';
import { testBus } from 'malote/testing';
import { describe, test } from 'vitest';
import { z } from 'zod';
import { codeOf, codeThrown } from './support.ts';

const Placed = message('order.placed', {
  schema: z.object({ order: z.string() }),
  orderBy: (data) => data.order,
});
const Cancelled = message('order.cancelled', {
  schema: z.object({ order: z.string(), why: z.string() }),
  orderBy: (data) => data.order,
});
const Note = message<{ n: number }>('note');
const quiet = { handleSignals: false, logger: false } as const;

describe('subscriptions', () => {
  test('take several types, one key is one lane across them, told apart by type', async () => {
    const seen: string[] = [];
    await using t = await testBus({
      use: (bus) =>
        bus.consume([Placed, Cancelled], { name: 'orders' }, (msg) => {
          seen.push(msg.type === 'order.placed' ? msg.data.order : `not ${msg.data.why}`);
        }),
    });
    await t.publish(Placed, { order: '7' });
    await t.publish(Cancelled, { order: '7', why: 'late' });
    await t.publish(Placed, { order: '7' });
    await t.settle();
    assert.deepEqual(seen, ['7', 'not late', '7']);
  });

  test('each get every message, and a name is taken once per bus', async () => {
    const seen: string[] = [];
    await using t = await testBus({
      use: (bus) => {
        bus.consume(Note, { name: 'one' }, () => void seen.push('one'));
        bus.consume(Note, { name: 'two' }, () => void seen.push('two'));
        const code = codeThrown(() => bus.consume(Note, { name: 'one' }, () => {}));
        assert.equal(code, 'SUBSCRIPTION_TAKEN');
      },
    });
    await t.publish(Note, { n: 1 });
    await t.settle();
    assert.deepEqual(seen.toSorted(), ['one', 'two']);
  });

  test('get what was published before any of them existed, in order', async () => {
    const engine = memory();
    const publisher = createBus({ engine, ...quiet });
    for (let n = 0; n < 100; n++) await publisher.publish(Placed, { order: `${n % 3}/${n}` });
    const worker = createBus({ engine, ...quiet });
    const seen: string[] = [];
    const all = new Promise<void>((resolve) => {
      worker.consume(Placed, { name: 'orders', concurrency: 1 }, (msg) => {
        if (seen.push(msg.data.order) === 100) resolve();
      });
    });
    await worker.start();
    await all;
    assert.equal(new Set(seen).size, 100);
    await Promise.all([publisher.stop(), worker.stop()]);
  });

  test('that changed are refused with the cure, and accepted with replace', async () => {
    const engine = memory();
    const first = createBus({ engine, ...quiet });
    await first.subscribe('orders', Placed);
    const second = createBus({ engine, ...quiet });
    second.consume([Placed, Cancelled], { name: 'orders' }, () => {});
    const error = await second.start().catch((reason: unknown) => reason);
    assert.match(String(error), /replace/);
    await first.subscribe('orders', [Placed, Cancelled], { replace: true });
    assert.equal(await first.unsubscribe('orders'), true);
    assert.equal(await first.unsubscribe('orders'), false);
    await Promise.all([first.stop(), second.stop()]);
  });

  test('paused ones accept and deliver nothing until resumed', async () => {
    const seen: number[] = [];
    await using t = await testBus({
      use: (bus) => bus.consume(Note, { name: 'notes' }, (msg) => void seen.push(msg.data.n)),
    });
    await t.subscriptions.pause('notes');
    await t.publish(Note, { n: 1 });
    await t.settle();
    assert.deepEqual(seen, []);
    assert.equal((await t.subscriptions.stats('notes')).ready, 1);
    await t.subscriptions.resume('notes');
    await t.clock.advance('1s');
    await t.settle();
    assert.deepEqual(seen, [1]);
    assert.equal(await codeOf(t.subscriptions.pause('nots')), 'NOT_FOUND');
  });

  test.each([
    [{ name: 'a b' }, 'DEFINITION_INVALID'],
    [{ name: 'a', concurency: 3 }, 'OPTION_UNKNOWN'],
    [{ name: 'a', concurrency: 1.5 }, 'OPTION_INVALID'],
    [{ name: 'a', timeout: '30 seconds' }, 'OPTION_INVALID'],
    [{ name: 'a', retry: { attempts: 0 } }, 'OPTION_INVALID'],
    [{ name: 'a', retry: { attempt: 3 } }, 'OPTION_UNKNOWN'],
    [{ name: 'a', retry: { backoff: 100 } }, 'OPTION_INVALID'],
    [{ name: 'a', retry: { giveUpOn: ['Error'] } }, 'OPTION_INVALID'],
    [{ name: 'a', onDead: 'stop' }, 'OPTION_INVALID'],
    [{ name: 'a', waiting: { ordre: 'overtake' } }, 'OPTION_UNKNOWN'],
    [{ name: 'a', maxDepth: -1 }, 'OPTION_INVALID'],
    [{ name: 'a', concurrencyByType: { note: 0 } }, 'OPTION_INVALID'],
  ])('%j: %s', (options, code) => {
    const bus = createBus({ engine: memory(), ...quiet });
    assert.equal(
      codeThrown(() => bus.consume(Note, options as never, () => {})),
      code,
    );
  });
});

describe('a stop', () => {
  test('waits for running handlers, gives back the rest, and loses nothing', async () => {
    const engine = memory();
    const seen: string[] = [];
    const first = createBus({ engine, ...quiet });
    let finish: () => void = () => {};
    const running = new Promise<void>((resolve) => {
      first.consume(Note, { name: 'notes', concurrency: 1 }, async (msg, ctx) => {
        seen.push(`${msg.data.n}#${ctx.attempt}`);
        await new Promise<void>((end) => {
          finish = end;
          resolve();
        });
      });
    });
    await first.start();
    await first.publishMany(Note, [{ n: 1 }, { n: 2 }, { n: 3 }]);
    await running;
    const stopped = first.stop();
    finish();
    await stopped;
    assert.equal(seen.length, 1);

    const second = createBus({ engine, ...quiet });
    const all = new Promise<void>((resolve) => {
      second.consume(Note, { name: 'notes' }, (msg, ctx) => {
        if (seen.push(`${msg.data.n}#${ctx.attempt}`) === 3) resolve();
      });
    });
    await second.start();
    await all;
    assert.deepEqual(seen.toSorted(), ['1#1', '2#1', '3#1']);
    await second.stop();
  });

  test('aborts what outlives its patience and gives it back, its attempt unspent', async () => {
    const engine = memory();
    const first = createBus({ engine, ...quiet });
    const started = new Promise<void>((resolve) => {
      first.consume(Note, { name: 'notes' }, async (_msg, ctx) => {
        resolve();
        await new Promise((_end, reject) => {
          ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason as Error));
        });
      });
    });
    await first.start();
    const { id } = await first.publish(Note, { n: 1 });
    await started;
    await first.stop({ drain: '10ms' });
    const look = createBus({ engine, ...quiet });
    const [view] = await look.messages.get(id);
    assert.deepEqual([view?.state, view?.attempts], ['ready', 0]);
    await look.stop();
  });

  test('also ends a bus that was never started, and happens once', async () => {
    const bus = createBus({ engine: memory(), ...quiet });
    await Promise.all([bus.stop(), bus.stop()]);
    await using disposed = createBus({ engine: memory(), ...quiet });
    assert.equal((await disposed.publish(Note, { n: 1 })).duplicate, false);
  });
});

describe('looking and acting', () => {
  const customer = dependency('customer');
  const Paid = message('paid', {
    schema: z.object({ customer: z.string() }),
    waitFor: (data) => customer(data.customer),
  });

  test('a message can be followed, and cancelled while nobody runs it', async () => {
    await using t = await testBus({
      use: (bus) => bus.consume(Paid, { name: 'ledger' }, () => assert.fail('it was cancelled')),
    });
    const { id } = await t.publish(Paid, { customer: '5' });
    await t.settle();
    const [view] = await t.messages.get(id);
    assert.deepEqual([view?.state, view?.waitingFor], ['waiting', ['customer:5']]);
    assert.equal(await t.messages.cancel(id), 'cancelled');
    assert.equal(await t.messages.cancel(id), 'not-found');
    await t.fulfil(customer('5'));
    await t.settle();
    assert.equal((await t.subscriptions.stats('ledger')).cancelled, 1);
  });

  test('pages go by cursor, without gap or repeat', async () => {
    await using t = await testBus({
      use: (bus) => bus.consume(Paid, { name: 'ledger' }, () => {}),
    });
    const ids: string[] = [];
    for (let n = 0; n < 25; n++) ids.push((await t.publish(Paid, { customer: `${n}` })).id);
    await t.settle();
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Awaited<ReturnType<typeof t.waiting.list>> = await t.waiting.list({
        cursor,
        limit: 10,
      });
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.next;
    } while (cursor !== null);
    assert.deepEqual(seen.toSorted(), ids.toSorted());
    assert.equal(await codeOf(t.waiting.list({ limit: 501 })), 'OPTION_INVALID');
    assert.equal(await codeOf(t.waiting.list({ cursor: 'forged' })), 'OPTION_INVALID');
    assert.equal(await codeOf(t.dead.list({ subscripton: 'x' } as object)), 'OPTION_UNKNOWN');
  });

  test.each([
    ['messages.get', (bus: Bus) => bus.messages.get({} as string)],
    ['messages.cancel', (bus: Bus) => bus.messages.cancel(5 as never)],
    ['dead.get', (bus: Bus) => bus.dead.get(undefined as never)],
    ['dead.redrive of nothing', (bus: Bus) => bus.dead.redrive(undefined as never)],
    ['dead.redrive of an object', (bus: Bus) => bus.dead.redrive({ id: 'x' } as never)],
    ['dead.redrive of numbers', (bus: Bus) => bus.dead.redrive([5] as never)],
    ['dead.redrive of nobody', (bus: Bus) => bus.dead.redrive({ subscription: 'nobody' })],
    ['dead.list of null', (bus: Bus) => bus.dead.list(null as never)],
    ['dead.list with a number', (bus: Bus) => bus.dead.list({ cursor: 5 as never })],
    ['waiting.list for a text', (bus: Bus) => bus.waiting.list({ for: 'x' as never })],
    ['fulfil of a text', (bus: Bus) => bus.fulfil('customer:5' as never)],
    ['publish of nothing', (bus: Bus) => bus.publish(undefined as never, {} as never)],
    ['publish of a text', (bus: Bus) => bus.publish('t' as never, {} as never)],
  ])('%s is refused by name, without asking the engine', async (_what, call) => {
    const bus = createBus({ engine: memory(), ...quiet });
    assert.match(await codeOf(call(bus)), /^(OPTION_INVALID|OPTION_UNKNOWN|NOT_FOUND)$/);
    await bus.stop();
  });
});
