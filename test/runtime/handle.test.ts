/** Handling: what a handler may do, and what becomes of its message. */
import assert from 'node:assert/strict';
import { dependency, exponential, fixed, message } from 'malote';
import { testBus } from 'malote/testing';
import { describe, test } from 'vitest';
import { z } from 'zod';

const customer = dependency('customer');
const Note = message<{ n: number; key?: string }>('note');
const Keyed = message<{ n: number; key: string }>('keyed', { orderBy: (data) => data.key });
const Follow = message<{ of: number }>('follow');
const once = { retry: { attempts: 1 } };

describe.each(['lanes', 'partitions'] as const)('%s', (shape) => {
  test('ctx.waitFor parks, spends no attempt, and drops what was staged', async () => {
    const seen: string[] = [];
    await using t = await testBus({
      shape,
      use: (bus) => {
        bus.consume(Note, { name: 'notes' }, async (msg, ctx) => {
          await ctx.publish(Follow, { of: msg.data.n });
          seen.push(`run ${ctx.attempt}`);
          if (seen.length === 1) return ctx.waitFor(customer('5'));
          return 'done';
        });
        bus.consume(Follow, { name: 'follow' }, (msg) => void seen.push(`follow ${msg.data.of}`));
      },
    });
    await t.publish(Note, { n: 1 });
    await t.settle();
    assert.deepEqual(seen, ['run 1']);
    await t.fulfil(customer('5'));
    await t.settle();
    assert.deepEqual(seen, ['run 1', 'run 1', 'follow 1']);
  });

  test('a wait that user code swallows holds all the same, with a warning', async () => {
    let runs = 0;
    await using t = await testBus({
      shape,
      use: (bus) =>
        bus.consume(Note, { name: 'notes' }, async (_msg, ctx) => {
          runs += 1;
          try {
            if (runs === 1) ctx.waitFor(customer('5'));
          } catch {
            // Swallowed.
          }
        }),
    });
    const note = await t.publish(Note, { n: 1 });
    await t.settle();
    assert.equal(runs, 1);
    assert.deepEqual(await t.waitingFor(customer('5')), [note.id]);
    assert.ok(t.timeline(note).some(({ kind }) => kind === 'wait-swallowed'));
    await t.fulfil(customer('5'));
    await t.settle();
    assert.equal(runs, 2);
  });

  test('a fact that holds already does not park, and a revoked one does', async () => {
    const seen: number[] = [];
    await using t = await testBus({
      shape,
      use: (bus) =>
        bus.consume(Note, { name: 'notes' }, (msg, ctx) => {
          seen.push(msg.data.n);
          if (seen.filter((n) => n === msg.data.n).length === 1) ctx.waitFor(customer('5'));
        }),
    });
    await t.fulfil(customer('5'));
    await t.publish(Note, { n: 1 });
    await t.settle();
    assert.deepEqual(seen, [1, 1]);
    await t.revoke(customer('5'));
    await t.settle();
    await t.publish(Note, { n: 2 });
    await t.settle();
    assert.deepEqual(seen, [1, 1, 2]);
    await t.fulfil(customer('5'));
    await t.settle();
    assert.deepEqual(seen, [1, 1, 2, 2]);
  });

  test('past its deadline a waiting message is dead, and its key goes on', async () => {
    const Waiting = message<{ n: number }>('waiting', {
      orderBy: () => 'k',
      waitFor: (data) => (data.n === 1 ? customer('never') : []),
    });
    const seen: number[] = [];
    await using t = await testBus({
      shape,
      use: (bus) =>
        bus.consume(Waiting, { name: 'w', waiting: { deadline: '1h' } }, (msg) => {
          seen.push(msg.data.n);
        }),
    });
    await t.publishMany(Waiting, [{ n: 1 }, { n: 2 }]);
    await t.clock.advance('59m');
    await t.settle();
    assert.deepEqual(seen, []);
    await t.clock.advance('2m');
    await t.settle();
    assert.deepEqual(seen, [2]);
    const [dead] = (await t.dead.list()).items;
    // Its handler was never called.
    const { reason, attempts, lastFailure } = dead!;
    assert.deepEqual([reason, attempts], ['dependency-timeout', 0]);
    assert.equal(lastFailure?.name, 'DependencyTimeout');
    assert.equal(lastFailure.message, 'waited for customer:never until its deadline');
  });

  test('a failed attempt publishes nothing and opens nothing', async () => {
    const seen: string[] = [];
    await using t = await testBus({
      shape,
      use: (bus) => {
        const retry = { backoff: fixed('1s') };
        bus.consume(
          Note,
          { name: 'notes', retry, provides: () => customer('9') },
          async (_m, ctx) => {
            await ctx.publish(Follow, { of: ctx.attempt });
            ctx.fulfil(customer('8'));
            if (ctx.attempt === 1) throw new Error('flaky');
          },
        );
        bus.consume(Follow, { name: 'follow' }, (msg) => void seen.push(`follow ${msg.data.of}`));
        bus.consume(Keyed, { name: 'keyed' }, (msg, ctx) => {
          if (seen.length === 0) ctx.waitFor(customer('8'), customer('9'));
          seen.push(`keyed ${msg.data.n}`);
        });
      },
    });
    await t.publish(Keyed, { n: 0, key: 'k' });
    await t.publish(Note, { n: 1 });
    await t.settle();
    assert.deepEqual(seen, []);
    assert.equal((await t.waiting.list()).items.length, 1);
    await t.clock.advance('1s');
    await t.settle();
    assert.deepEqual(seen, ['follow 2', 'keyed 0']);
  });

  test('ctx.retryIn, ctx.deadLetter and ctx.release do what they say', async () => {
    const seen: string[] = [];
    await using t = await testBus({
      shape,
      use: (bus) =>
        bus.consume(Note, { name: 'notes' }, async (msg, ctx) => {
          seen.push(`${msg.data.n}#${ctx.attempt}`);
          if (msg.data.n === 1 && ctx.attempt === 1) return ctx.retryIn('5s', 'not now');
          if (msg.data.n === 2) return ctx.deadLetter('no such thing');
          if (msg.data.n === 3 && seen.length < 4) return ctx.release('3s');
          return undefined;
        }),
    });
    await t.publishMany(Note, [{ n: 1 }, { n: 2 }, { n: 3 }]);
    await t.settle();
    assert.deepEqual(seen.toSorted(), ['1#1', '2#1', '3#1']);
    await t.clock.advance('3s');
    await t.settle();
    assert.deepEqual(seen.slice(3), ['3#1']);
    await t.clock.advance('2s');
    await t.settle();
    assert.deepEqual(seen.slice(4), ['1#2']);
    const [dead] = (await t.dead.list({ subscription: 'notes' })).items;
    assert.deepEqual(
      [dead?.reason, dead?.lastFailure],
      ['by-hand', { name: 'ByHand', message: 'no such thing' }],
    );
  });

  test('dead letters say why, and redrive starts them anew, in order', async () => {
    class CardDeclined extends Error {
      override readonly name = 'CardDeclined';
    }
    const seen: string[] = [];
    let healed = false;
    await using t = await testBus({
      shape,
      use: (bus) => {
        const retry = { attempts: 2, backoff: fixed('1s'), giveUpOn: [CardDeclined] };
        bus.consume(Keyed, { name: 'keyed', retry }, (msg, ctx) => {
          seen.push(`${msg.data.n}#${ctx.attempt}`);
          if (healed) return;
          if (msg.data.n === 1) throw new CardDeclined('declined');
          if (msg.data.n === 2) throw new Error('flaky');
        });
      },
    });
    await t.publishMany(
      Keyed,
      [1, 2, 3].map((n) => ({ n, key: 'k' })),
    );
    await t.settle();
    await t.clock.advance('1s');
    await t.settle();
    assert.deepEqual(seen, ['1#1', '2#1', '2#2', '3#1']);
    const { items } = await t.dead.list();
    assert.deepEqual(
      items.map(({ reason, attempts, lastFailure }) => [reason, attempts, lastFailure?.name]),
      [
        ['gave-up', 1, 'CardDeclined'],
        ['attempts-exhausted', 2, 'Error'],
      ],
    );
    healed = true;
    assert.deepEqual(await t.dead.redrive({ subscription: 'keyed' }), { redriven: 2 });
    assert.deepEqual(await t.dead.redrive({ subscription: 'keyed' }), { redriven: 0 });
    await t.settle();
    assert.deepEqual(seen.slice(4), ['1#1', '2#1']);
    assert.equal((await t.subscriptions.stats('keyed')).dead, 0);
  });

  test('a time-out aborts the signal, counts as an attempt, and ends as timed-out', async () => {
    const reasons: string[] = [];
    await using t = await testBus({
      shape,
      use: (bus) => {
        const retry = { attempts: 2, backoff: fixed('1s') };
        bus.consume(Note, { name: 'notes', timeout: '30s', retry }, async (_msg, ctx) => {
          await new Promise((_resolve, reject) => {
            ctx.signal.addEventListener('abort', () => {
              reasons.push(String((ctx.signal.reason as { code: string }).code));
              reject(new Error('stopped by its signal'));
            });
          });
        });
      },
    });
    const note = await t.publish(Note, { n: 1 });
    await t.clock.advance('30s');
    await t.clock.advance('1s');
    await t.clock.advance('30s');
    await t.settle();
    assert.deepEqual(reasons, ['TIMED_OUT', 'TIMED_OUT']);
    const [dead] = await t.dead.get(note.id);
    assert.equal(dead?.reason, 'timed-out');
  });

  test('a handler that ignores its signal loses its slot, and its answer', async () => {
    let finish: (() => void) | undefined;
    const seen: number[] = [];
    await using t = await testBus({
      shape,
      use: (bus) => {
        const options = { name: 'notes', timeout: '30s', concurrency: 1, ...once } as const;
        bus.consume(Note, options, async (msg) => {
          seen.push(msg.data.n);
          if (msg.data.n === 1) await new Promise<void>((resolve) => (finish = resolve));
        });
      },
    });
    const stuck = await t.publish(Note, { n: 1 });
    await t.clock.advance('1ms');
    await t.publish(Note, { n: 2 });
    await t.clock.advance('30s');
    assert.deepEqual(seen, [1]);
    await t.clock.advance('10s');
    await t.settle();
    assert.deepEqual(seen, [1, 2]);
    finish?.();
    await t.settle();
    assert.equal((await t.dead.get(stuck.id))[0]?.reason, 'timed-out');
    assert.ok(t.timeline(stuck).some(({ kind }) => kind === 'stuck'));
  });

  test('concurrency holds per subscription and per type', async () => {
    const running = { note: 0, follow: 0 };
    const most = { note: 0, follow: 0, all: 0 };
    const finish: (() => void)[] = [];
    await using t = await testBus({
      shape,
      use: (bus) => {
        const options = { name: 'both', concurrency: 4, concurrencyByType: { note: 2 } };
        bus.consume([Note, Follow], options, async (msg) => {
          running[msg.type as 'note'] += 1;
          most[msg.type as 'note'] = Math.max(
            most[msg.type as 'note'],
            running[msg.type as 'note'],
          );
          most.all = Math.max(most.all, running.note + running.follow);
          await new Promise<void>((resolve) => finish.push(resolve));
          running[msg.type as 'note'] -= 1;
        });
      },
    });
    const turns = async (): Promise<void> => {
      await t.clock.advance('1ms');
      for (const one of finish.splice(0)) one();
    };
    await t.publishMany(
      Note,
      Array.from({ length: 10 }, (_, n) => ({ n })),
    );
    await t.publishMany(
      Follow,
      Array.from({ length: 20 }, (_, of) => ({ of })),
    );
    for (let turn = 0; turn < 30; turn++) await turns();
    await t.settle();
    assert.deepEqual(most, { note: 2, follow: 4, all: 4 });
    assert.equal((await t.subscriptions.stats('both')).done, 30);
  });
});

test('a body that fails its schema is invalid, a newer version waits for its worker', async () => {
  const V1 = message('doc', { schema: z.object({ title: z.string() }) });
  const V2 = message('doc', {
    schema: z.object({ title: z.string(), pages: z.number() }),
    version: 2,
    upcast: (old) => ({ ...(old as { title: string }), pages: 1 }),
  });
  const Loose = message<unknown>('doc');
  const seen: unknown[] = [];
  await using t = await testBus({
    use: (bus) => bus.consume(V2, { name: 'new' }, (msg) => void seen.push(msg.data)),
  });
  await t.publish(V1, { title: 'old' });
  await t.publish(Loose, { title: 7 });
  await t.settle();
  assert.deepEqual(seen, [{ title: 'old', pages: 1 }]);
  const [dead] = (await t.dead.list()).items;
  assert.equal(dead?.reason, 'invalid');

  await using old = await testBus({
    use: (bus) => bus.consume(V1, { name: 'old' }, () => assert.fail('it is not for this worker')),
  });
  const newer = await old.publish(V2, { title: 'new', pages: 3 });
  await old.settle();
  await old.clock.advance('5s');
  await old.settle();
  assert.equal((await old.messages.get(newer.id))[0]?.state, 'retrying');
  assert.equal((await old.messages.get(newer.id))[0]?.attempts, 0);
});

test('a handler that waits in vain for a fact that holds does not spin', async () => {
  let runs = 0;
  await using t = await testBus({
    use: (bus) =>
      bus.consume(Note, { name: 'notes' }, (_msg, ctx) => {
        runs += 1;
        if (runs < 9) ctx.waitFor(customer('5'));
      }),
  });
  await t.fulfil(customer('5'));
  await t.publish(Note, { n: 1 });
  await t.settle();
  assert.equal(runs, 2);
  await t.clock.advance('1m');
  assert.equal(runs, 9);
});

test('what is logged and emitted never holds a body', async () => {
  const secret = 'hunter2-canary';
  const lines: string[] = [];
  const write = (fields: object, sentence: string): void => {
    lines.push(JSON.stringify(fields) + sentence);
  };
  const { createBus } = await import('malote');
  const { memory } = await import('malote/memory');
  const logger = {
    debug: write,
    info: write,
    warn: write,
    error: write,
    isLevelEnabled: () => true,
  };
  const Secret = message('secret', { schema: z.object({ secret: z.string().max(20) }) });
  const bus = createBus({ engine: memory(), logger, handleSignals: false });
  const ended = new Promise<void>((resolve) => {
    bus.consume(
      Secret,
      { name: 's', retry: { attempts: 2, backoff: exponential('1ms') } },
      (_m, ctx) => {
        ctx.log.info('working', { step: 1 });
        if (ctx.attempt === 2) resolve();
        throw new Error('failed');
      },
    );
  });
  await bus.start();
  await bus.publish(Secret, { secret });
  await bus.publish(Secret, { secret: `${secret} and more of it` }).catch(() => {});
  await ended;
  await bus.stop();
  assert.ok(lines.length >= 5, `only ${lines.length} lines`);
  assert.ok(lines.some((line) => line.includes('"step":1') && line.includes('"attempt":1')));
  assert.deepEqual(
    lines.filter((line) => line.includes('hunter2')),
    [],
  );
});
