/** The inbox through the public API: what a handler does in `ctx.transaction` happens once. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { createBus, dependency, fixed, type HandlerContext, MaloteError, message } from 'malote';
import { memory } from 'malote/memory';
import { sqlite, type SqliteTransaction } from 'malote/sqlite';
import { describe, test } from 'vitest';
import { codeThrown } from '../runtime/support.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { listenTo } from '../support/transitions.ts';
import { type Place, placeIn, quiet } from './places.ts';

const folder = temporaryFolder();
const customer = dependency('customer');
const Paid = message<{ n: number }>('paid', { orderBy: () => 'k' });
const Booked = message<{ n: number }>('booked', { orderBy: () => 'k' });
const Loose = message<{ n: number }>('loose');
const Greeting = message<{ n: number }>('greeting', { waitFor: ({ n }) => customer(String(n)) });
const retry = { attempts: 3, backoff: fixed('1ms') };

type Context = HandlerContext<SqliteTransaction>;

function write(tx: SqliteTransaction, what: string | number): void {
  tx.prepare('insert into effect (what) values (?)').run(String(what));
}

/** Puts the message of an id back to where it has no ack, as a crash before the ack leaves it. */
async function publishAgain(place: Place, n: number, id: string): Promise<void> {
  await using other = createBus({ engine: sqlite(place.engine), ...quiet });
  const forgotten = new DatabaseSync(place.engine);
  forgotten.exec('delete from ml_dedupe');
  forgotten.close();
  await other.publish(Paid, { n }, { id });
}

describe.each(['apart', 'together'] as const)('with an inbox, files %s', (shape) => {
  test('rows, messages and facts of a handler are there once, in order', async () => {
    const place = placeIn(folder, shape);
    const told = listenTo(place.name);
    await using bus = place.make();
    const booked: number[] = [];
    bus.consume(
      Paid,
      { name: 'ledger', inbox: true, provides: ({ n }) => customer(String(n)) },
      async ({ data }, ctx) => {
        await ctx.publish(Booked, { n: data.n * 10 });
        const answer = await ctx.transaction(({ tx, publish }) => {
          write(tx, data.n);
          publish(Booked, data);
          return data.n;
        });
        assert.equal(answer, data.n);
      },
    );
    bus.consume(Booked, { name: 'reader' }, ({ data }) => void booked.push(data.n));
    bus.consume(Greeting, { name: 'greeter', inbox: true }, () => {});
    await bus.start();
    await bus.publish(Greeting, { n: 2 });

    for (let n = 1; n <= 3; n++) await bus.publish(Paid, { n });
    await told.count('acked', 3 + 6 + 1);

    assert.deepEqual(place.effects(), ['1', '2', '3']);
    assert.deepEqual(booked, [10, 1, 20, 2, 30, 3]);
  });

  test('as many messages as come are done, however few run at once', async () => {
    const place = placeIn(folder, shape);
    const told = listenTo(place.name);
    await using bus = place.make();
    bus.consume(Loose, { name: 'ledger', inbox: true, concurrency: 3 }, ({ data }, ctx) =>
      ctx.transaction(({ tx }) => write(tx, data.n)),
    );
    await bus.start();
    const numbers = Array.from({ length: 200 }, (_, n) => ({ n }));
    await bus.publishMany(Loose, numbers);
    await told.count('acked', 200);

    assert.equal(new Set(place.effects()).size, 200);
  });

  test('an attempt that fails leaves no row and no message, before and in its function', async () => {
    const place = placeIn(folder, shape);
    const told = listenTo(place.name);
    await using bus = place.make();
    const booked: number[] = [];
    bus.consume(Paid, { name: 'ledger', inbox: true, retry }, async ({ data }, ctx) => {
      await ctx.publish(Booked, { n: ctx.attempt });
      if (ctx.attempt === 1) throw new Error('before');
      await ctx.transaction(({ tx, publish }) => {
        write(tx, `attempt ${ctx.attempt}`);
        publish(Booked, data);
        if (ctx.attempt === 2) throw new Error('inside');
      });
    });
    bus.consume(Booked, { name: 'reader' }, ({ data }) => void booked.push(data.n));
    await bus.start();
    await bus.publish(Paid, { n: 7 });
    await told.count('acked', 3);

    assert.deepEqual(place.effects(), ['attempt 3']);
    assert.deepEqual(booked, [3, 7]);
  });

  test('a message that was processed is skipped when it comes again, and told', async () => {
    const place = placeIn(folder, shape);
    const told = listenTo(place.name);
    await using bus = place.make();
    let runs = 0;
    bus.consume(Paid, { name: 'ledger', inbox: true }, async ({ data }, ctx) => {
      runs += 1;
      if (data.n === 1) await ctx.transaction(({ tx }) => write(tx, data.n));
    });
    await bus.start();
    for (const n of [1, 2]) await bus.publish(Paid, { n }, { id: `m${n}` });
    await told.count('acked', 2);

    for (const n of [1, 2]) await publishAgain(place, n, `m${n}`);
    const skipped = await told.count('skipped', 2);

    assert.deepEqual(
      skipped.map((event) => event.kind === 'skipped' && event.id),
      ['m1', 'm2'],
    );
    assert.equal(runs, 2);
    assert.deepEqual(place.effects(), ['1']);
  });

  test('the transaction is once, and what comes after it changes nothing', async () => {
    const place = placeIn(folder, shape);
    const told = listenTo(place.name);
    await using bus = place.make();
    const codes: unknown[] = [];
    const code = (error: { code?: unknown }): void => void codes.push(error.code);
    bus.consume(Paid, { name: 'ledger', inbox: true, retry }, async (_, ctx) => {
      await ctx.transaction(({ tx }) => write(tx, 'once'));
      await ctx.transaction(({ tx }) => write(tx, 'twice')).catch(code);
      await ctx.publish(Booked, { n: 1 }).catch(code);
      throw new Error('too late');
    });
    await bus.start();
    await bus.publish(Paid, { n: 1 });
    await told.count('failed-after-commit', 1);
    await told.count('acked', 1);

    assert.deepEqual(codes, ['ATTEMPT_OVER', 'ATTEMPT_OVER']);
    assert.deepEqual(place.effects(), ['once']);
    assert.deepEqual((await bus.dead.list()).items, []);
  });

  test('a transaction that was undone may be tried again, and commits once', async () => {
    const place = placeIn(folder, shape);
    const told = listenTo(place.name);
    await using bus = place.make();
    const booked: number[] = [];
    const failures: unknown[] = [];
    bus.consume(Paid, { name: 'ledger', inbox: true, retry }, async (_, ctx) => {
      await ctx.publish(Booked, { n: 1 });
      const attempts = ['first', 'second', 'third'].map((what) => async () => {
        await ctx.transaction(({ tx, publish }) => {
          write(tx, what);
          publish(Booked, { n: what.length });
          if (what === 'first') throw new Error('undone');
        });
      });
      for (const run of attempts) await run().catch((error: unknown) => failures.push(error));
    });
    bus.consume(Booked, { name: 'reader' }, ({ data }) => void booked.push(data.n));
    await bus.start();
    await bus.publish(Paid, { n: 1 });
    await told.count('acked', 3);

    assert.match(String(failures[0]), /undone/);
    assert.match(String(failures[1]), /after the attempt had ended/);
    assert.equal(failures.length, 2);
    assert.deepEqual(place.effects(), ['second']);
    assert.deepEqual(booked, [1, 'second'.length]);
  });

  test('of transactions that are called at once the first runs, whatever comes of it', async () => {
    const place = placeIn(folder, shape);
    const told = listenTo(place.name);
    await using bus = place.make();
    const outcomes: string[] = [];
    bus.consume(Paid, { name: 'ledger', inbox: true, retry }, async ({ data }, ctx) => {
      const calls = ['first', 'second'].map((what) =>
        ctx.transaction(({ tx }) => {
          write(tx, `${what} of ${data.n}`);
          if (data.n === 1) throw new Error('undone');
        }),
      );
      for (const one of await Promise.allSettled(calls)) {
        outcomes.push(one.status === 'fulfilled' ? 'done' : String(one.reason));
      }
    });
    await bus.start();
    for (const n of [1, 2]) await bus.publish(Paid, { n });
    await told.count('acked', 2);

    const refused = /ATTEMPT_OVER|while an earlier call was under way/;
    assert.match(outcomes[0]!, /undone/);
    assert.match(outcomes[1]!, refused);
    assert.equal(outcomes[2], 'done');
    assert.match(outcomes[3]!, refused);
    assert.deepEqual(place.effects(), ['first of 2']);
  });

  test('what is asked of ctx in the function is done, and its rows are not', async () => {
    const place = placeIn(folder, shape);
    const told = listenTo(place.name);
    await using bus = place.make();
    bus.consume(Paid, { name: 'ledger', inbox: true }, ({ data }, ctx) =>
      ctx.transaction(({ tx }) => {
        write(tx, data.n);
        ctx.deadLetter('by me');
      }),
    );
    await bus.start();
    await bus.publish(Paid, { n: 1 });
    const [dead] = await told.count('dead', 1);

    assert.equal(dead?.kind === 'dead' && dead.reason, 'by-hand');
    assert.deepEqual(place.effects(), []);
  });

  test('an attempt whose time-out came before the commit has no effect', async () => {
    const place = placeIn(folder, shape);
    const told = listenTo(place.name);
    await using bus = place.make();
    const options = { name: 'ledger', inbox: true, timeout: 20, retry: { attempts: 1 } };
    const told1: unknown[] = [];
    bus.consume(Paid, options, async ({ data }, ctx) => {
      await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve));
      await ctx
        .transaction(({ tx }) => write(tx, data.n))
        .catch((error: { code: string }) => void told1.push(error.code));
    });
    await bus.start();
    await bus.publish(Paid, { n: 1 });
    await told.count('dead', 1);

    assert.deepEqual(told1, ['TIMED_OUT']);
    assert.deepEqual(place.effects(), []);
  });
});

describe('where the store is another file', () => {
  test('an effect whose ack never came is not repeated, and opens its facts again', async () => {
    const place = placeIn(folder);
    const told = listenTo(place.name);
    let dies = true;
    const engine = sqlite(place.engine);
    /** The process that runs the first effect loses its engine before the ack. */
    const failing = {
      ...engine,
      open: async (host: Parameters<typeof engine.open>[0]) => {
        const transport = await engine.open(host);
        const { queue } = transport;
        return {
          ...transport,
          queue: {
            ...queue,
            settle: (batch: Parameters<typeof queue.settle>[0]) =>
              queue.settle(
                batch.map((one) => {
                  if (one.kind !== 'ack' || !dies) return one;
                  dies = false;
                  const failure = { name: 'AckLost', message: 'it did not arrive' };
                  return { kind: 'retry', delivery: one.delivery, afterMs: 0, failure };
                }),
              ),
          },
        };
      },
    };
    const options = { engine: failing, store: sqlite(place.store), name: place.name, ...quiet };
    await using bus = createBus(options);
    let runs = 0;
    bus.consume(
      Paid,
      { name: 'ledger', inbox: true, provides: ({ n }) => customer(String(n)) },
      ({ data }, ctx: Context) => {
        runs += 1;
        return ctx.transaction(({ tx }) => write(tx, data.n));
      },
    );
    bus.consume(Greeting, { name: 'greeter' }, () => {});
    await bus.start();
    await bus.publish(Greeting, { n: 1 });
    await bus.publish(Paid, { n: 1 });
    await told.count('skipped', 1);
    await told.until((all) =>
      all.some((event) => event.kind === 'acked' && event.subscription === 'greeter'),
    );

    assert.equal(runs, 1);
    assert.deepEqual(place.effects(), ['1']);
  });
});

describe('a transaction of which nobody knows whether it was stored', () => {
  test('is not stored a second time by the same attempt', async () => {
    const place = placeIn(folder);
    const told = listenTo(place.name);
    let answers = 0;
    const store = sqlite(place.store);
    const losing: typeof store = {
      ...store,
      async open(host) {
        const transport = await store.open(host);
        const effects = transport.effects!;
        return {
          ...transport,
          effects: {
            ...effects,
            async run(effect) {
              const outcome = await effects.run(effect);
              answers += 1;
              if (answers === 1) throw new MaloteError('ENGINE_FAILED', 'the answer was lost');
              return outcome;
            },
          },
        };
      },
    };
    await using bus = createBus({
      engine: sqlite(place.engine),
      store: losing,
      name: place.name,
      ...quiet,
    });
    const codes: unknown[] = [];
    bus.consume(Paid, { name: 'ledger', inbox: true, retry }, async (_, ctx: Context) => {
      for (const what of ['first', 'second']) {
        await ctx
          .transaction(({ tx }) => write(tx, what))
          .catch((error: MaloteError) => void codes.push(error.code));
      }
    });
    await bus.start();
    await bus.publish(Paid, { n: 1 });
    await told.count('skipped', 1);

    assert.deepEqual(codes, ['ENGINE_FAILED', 'ALREADY_PROCESSED']);
    assert.deepEqual(place.effects(), ['first']);
  });
});

describe('an inbox', () => {
  const consume = (options: object, engine = sqlite(`${folder}/options.db`)): void => {
    createBus({ engine, ...quiet }).consume(Paid, { name: 'x', ...options }, () => {});
  };

  test('is refused where its window is shorter than the longest retry and a day', () => {
    const patient = { attempts: 5, backoff: fixed('10h', { max: '10h' }) };
    assert.equal(
      codeThrown(() => consume({ inbox: { keep: '1h' } })),
      'OPTION_INVALID',
    );
    assert.equal(
      codeThrown(() => consume({ inbox: { keep: '2d' }, retry: patient })),
      'OPTION_INVALID',
    );
    consume({ inbox: { keep: '3d' }, retry: patient });
  });

  test('is in a database, that of the bus', () => {
    assert.equal(
      codeThrown(() => consume({ inbox: true }, memory() as never)),
      'CAPABILITY_MISSING',
    );
    const other = sqlite(`${folder}/other.db`);
    assert.equal(
      codeThrown(() => consume({ inbox: other })),
      'OPTION_INVALID',
    );
    consume({ inbox: sqlite(`${folder}/options.db`) });
    assert.equal(
      codeThrown(() => consume({ inbox: { keeep: '9d' } })),
      'OPTION_UNKNOWN',
    );
  });

  test('is what ctx.transaction needs', async () => {
    const place = placeIn(folder);
    const told = listenTo(place.name);
    await using bus = place.make();
    bus.consume(Paid, { name: 'x', retry: { attempts: 1 } }, (_, ctx) => ctx.transaction(() => 1));
    await bus.start();
    await bus.publish(Paid, { n: 1 });
    const [dead] = await told.count('dead', 1);
    assert.match(String(dead?.kind === 'dead' && dead.failure?.message), /needs an inbox/);
  });
});
