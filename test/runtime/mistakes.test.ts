/** Mistakes of callers: each is met by a named error that says where, what and how to mend it. */
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { type Bus, createBus, dependency, exponential, fixed, MaloteError, message } from 'malote';
import { memory } from 'malote/memory';
import { sqlite } from 'malote/sqlite';
import { testBus } from 'malote/testing';
import { describe, test } from 'vitest';
import { z } from 'zod';
import { codeOf } from './support.ts';

const quiet = { handleSignals: false, logger: false } as const;
const loose = (value: unknown): never => value as never;
const customer = dependency('customer');
const Note = message<{ readonly n: number }>('note');
const Keyed = message<{ readonly customerId: string }>('keyed', {
  orderBy: ({ customerId }) => customerId,
});
const Waiting = message<{ readonly customerId: string }>('waiting', {
  waitFor: ({ customerId }) => customer(customerId),
});

const apart = () => ({ engine: memory(), store: sqlite('never-opened.db') });

function newBus(): Bus {
  return createBus({ engine: memory(), ...quiet });
}

async function errorOf(call: () => unknown): Promise<MaloteError> {
  try {
    await call();
  } catch (error) {
    assert.ok(error instanceof MaloteError, inspect(error));
    return error;
  }
  throw new assert.AssertionError({ message: 'nothing was refused' });
}

describe('a function of the message type', () => {
  const failing = (): never => {
    throw new TypeError("cannot read 'id'");
  };
  const schema = z.string().transform((text) => (text === 'bad' ? failing() : text));
  const slow = {
    '~standard': {
      version: 1 as const,
      vendor: 'by-hand',
      validate: async (): Promise<{ value: string }> => await Promise.resolve().then(failing),
    },
  };

  test.each([
    ['orderBy', message('m', { orderBy: failing })],
    ['waitFor', message('m', { waitFor: failing })],
    ['dedupe', message('m', { dedupe: failing })],
    ['schema', message('m', { schema })],
    ['schema', message('m', { schema: slow })],
  ] as const)('%s that throws makes the data invalid, and is the cause', async (what, type) => {
    const bus = newBus();
    const error = await errorOf(() => bus.publish(type, loose('bad')));

    assert.equal(error.code, 'DATA_INVALID');
    assert.equal(error.message, `${what} of m threw TypeError: cannot read 'id'`);
    assert.ok(error.cause instanceof TypeError);
    const [answer] = await bus.publishMany(type, [loose('bad')]);
    assert.equal(answer?.status === 'refused' && answer.error.code, 'DATA_INVALID');
    await bus.stop();
  });

  test('that throws an error of malote is not explained twice', async () => {
    const error = await errorOf(() => newBus().publish(Waiting, loose({})));

    assert.match(error.message, /^id of dependency "customer" must be a text/);
  });

  test('that answers nothing gives up neither the order nor the wait', async () => {
    const Lax = message<object>('lax', { waitFor: loose(() => undefined) });

    const unordered = await errorOf(() => newBus().publish(Keyed, loose({})));
    const unwaiting = await errorOf(() => newBus().publish(Lax, {}));

    assert.match(unordered.message, /^order key of keyed must be a text .*, got undefined$/);
    assert.match(unwaiting.message, /^waitFor of lax must answer a key .*\[\] for none/);
    assert.deepEqual([unordered.code, unwaiting.code], ['DATA_INVALID', 'DATA_INVALID']);
  });
});

describe('dedupe on an engine that does not remember keys', () => {
  const Once = message<{ readonly id: string }>('once', { dedupe: ({ id }) => id });

  test('is refused by a process that only publishes', async () => {
    const bus = createBus({ engine: memory({ shape: 'partitions' }), ...quiet });

    assert.equal(await codeOf(bus.publish(Once, { id: 'a' })), 'CAPABILITY_MISSING');
    assert.equal(await codeOf(bus.publish(Note, { n: 1 }, { dedupe: 'a' })), 'CAPABILITY_MISSING');
    const [answer] = await bus.publishMany(Once, [{ id: 'a' }]);
    assert.equal(answer?.status === 'refused' && answer.error.code, 'CAPABILITY_MISSING');
    assert.equal((await bus.publish(Note, { n: 1 }, { id: 'mine' })).id, 'mine');
    await bus.stop();
  });

  test('is refused in a handler too, before its message is done', async () => {
    await using t = await testBus({
      shape: 'partitions',
      use(bus) {
        bus.consume(Note, { name: 'notes', retry: { attempts: 1 } }, async (_msg, ctx) => {
          await ctx.publish(Once, { id: 'a' });
        });
      },
    });
    const { id } = await t.publish(Note, { n: 1 });
    await t.settle();

    const [letter] = await t.dead.get(id);

    assert.equal(letter?.lastFailure?.code, 'CAPABILITY_MISSING');
  });
});

const subscribed = { name: 'notes' } as const;
const mistakes: readonly (readonly [string, (bus: Bus) => unknown, string, RegExp])[] = [
  [
    'an arrow in place of the options',
    (bus) =>
      bus.consume(
        Note,
        loose(() => {}),
        loose(undefined),
      ),
    'OPTION_INVALID',
    /^consume: options must be an object such as \{ name \}, got a function$/,
  ],
  [
    'no options',
    (bus) => bus.consume(Note, loose(undefined), () => {}),
    'OPTION_INVALID',
    /^consume: options must be/,
  ],
  [
    'a type that it does not consume in concurrencyByType',
    (bus) => bus.consume(Note, { ...subscribed, concurrencyByType: loose({ nte: 3 }) }, () => {}),
    'OPTION_UNKNOWN',
    /concurrencyByType has no option "nte"; did you mean "note"\?$/,
  ],
  [
    'an option of retry a level too high',
    (bus) => bus.consume(Note, loose({ ...subscribed, attempts: 3 }), () => {}),
    'OPTION_UNKNOWN',
    /did you mean "retry.attempts"\?$/,
  ],
  [
    'an option that begins like another one',
    (bus) => bus.consume(Note, { ...subscribed, retries: loose(3) } as never, () => {}),
    'OPTION_UNKNOWN',
    /did you mean "retry"\?$/,
  ],
  [
    'an option of handling, subscribing without a handler',
    (bus) => bus.subscribe('notes', Note, loose({ concurrency: 3 })),
    'OPTION_UNKNOWN',
    /has no option "concurrency"; known are order, /,
  ],
  [
    'an id for many messages',
    (bus) => bus.publishMany(Note, [{ n: 1 }, { n: 2 }], loose({ id: 'a' })),
    'OPTION_UNKNOWN',
    /^publishMany has no option "id"; known are /,
  ],
  [
    'no list for many messages',
    (bus) => bus.publishMany(Note, loose(null)),
    'OPTION_INVALID',
    /^publishMany: items must be a list .*, got null$/,
  ],
  [
    'a date that is none',
    (bus) => bus.publish(Note, { n: 1 }, { at: new Date('tomorrow') }),
    'OPTION_INVALID',
    /at must be a valid Date, got an invalid Date$/,
  ],
  [
    'a header that is no text',
    (bus) => bus.publish(Note, { n: 1 }, { headers: { a: loose(5) } }),
    'OPTION_INVALID',
    /headers\["a"\] must be text without control characters, got 5$/,
  ],
  [
    'a signal that is none',
    (bus) => bus.publish(Note, { n: 1 }, loose({ signal: null })),
    'OPTION_INVALID',
    /signal must be an AbortSignal, got null$/,
  ],
  [
    'headers that are none',
    (bus) => bus.publish(Note, { n: 1 }, loose({ headers: null })),
    'OPTION_INVALID',
    /headers must be an object of texts, got null$/,
  ],
  [
    'a number as the name of a subscription',
    (bus) => bus.dead.list({ subscription: loose(5) }),
    'OPTION_INVALID',
    /^subscription must be a name, got 5$/,
  ],
  ['an option of stop', (bus) => bus.stop(loose({ drian: 5 })), 'OPTION_UNKNOWN', /"drain"\?$/],
  ['null for stop', (bus) => bus.stop(loose(null)), 'OPTION_INVALID', /^stop: options must be/],
  [
    'the name of no subscription',
    async (bus) => {
      await bus.subscribe('twice', Note);
      await bus.dead.list({ subscription: 'tiwce' });
    },
    'NOT_FOUND',
    /^there is no subscription "tiwce"; did you mean "twice"\?$/,
  ],
  [
    'the name of no subscription, of those that wait',
    (bus) => bus.waiting.list({ subscription: 'tiwce' }),
    'NOT_FOUND',
    /^there is no subscription "tiwce"; there is none$/,
  ],
  [
    'the name of no subscription, to pause',
    async (bus) => {
      await bus.subscribe('ledger.eu', Note);
      await bus.subscriptions.pause('crm');
    },
    'NOT_FOUND',
    /^there is no subscription "crm"; known are ledger\.eu$/,
  ],
  [
    'a relay without a store',
    () => createBus(loose({ engine: memory(), relay: false })),
    'OPTION_INVALID',
    /relay must be absent/,
  ],
  [
    'an option of the relay, misspelt',
    () => createBus({ ...apart(), relay: loose({ onDaed: 'block' }) }),
    'OPTION_UNKNOWN',
    /^createBus: relay has no option "onDaed"; did you mean "onDead"\?$/,
  ],
  [
    'an option of the relay, a level too high',
    () => createBus(loose({ ...apart(), onDead: 'block' })),
    'OPTION_UNKNOWN',
    /^createBus has no option "onDead"; did you mean "relay\.onDead"\?$/,
  ],
  [
    'a relay that diverts',
    () => createBus({ ...apart(), relay: loose({ onDead: 'divert' }) }),
    'OPTION_INVALID',
    /^createBus: relay\.onDead must be "skip" or "block", got "divert"$/,
  ],
  [
    'a word for the options of the relay',
    () => createBus({ ...apart(), relay: loose('block') }),
    'OPTION_INVALID',
    /^createBus: relay must be true, false, or options such as \{ onDead: 'block' \}, got "block"$/,
  ],
  [
    'a function as engine',
    () => createBus({ engine: loose(memory) }),
    'OPTION_INVALID',
    /when it is called, got a function$/,
  ],
  [
    'a message without options',
    () => message('m', loose(null)),
    'OPTION_INVALID',
    /options must be an object, got null$/,
  ],
  ['no path', () => sqlite(loose(undefined)), 'OPTION_INVALID', /^sqlite\(\) path must be/],
  [
    'no options of sqlite',
    () => sqlite('x.db', loose(null)),
    'OPTION_INVALID',
    /^sqlite\(\): options/,
  ],
  ['no options of memory', () => memory(loose(null)), 'OPTION_INVALID', /^memory\(\): options/],
  [
    'a factor that has no effect',
    () => fixed('1s', loose({ factor: 3 })),
    'OPTION_UNKNOWN',
    /^fixed has no option "factor"/,
  ],
  [
    'no options of a back-off',
    () => exponential('1s', loose(null)),
    'OPTION_INVALID',
    /^exponential: options/,
  ],
  [
    'no options of testBus',
    () => testBus(loose(undefined)),
    'OPTION_INVALID',
    /^testBus: options must be/,
  ],
  [
    'a misspelt option of testBus',
    () => testBus(loose({ uses: () => {} })),
    'OPTION_UNKNOWN',
    /"use"\?$/,
  ],
  [
    'testBus without consumers',
    () => testBus(loose({})),
    'OPTION_INVALID',
    /^testBus: use must be a function/,
  ],
];

test.each(mistakes)('%s is refused, with the cure', async (_what, call, code, sentence) => {
  const bus = newBus();

  const error = await errorOf(() => call(bus));

  assert.equal(error.code, code);
  assert.match(error.message, sentence);
  await bus.stop();
});

test('a transaction, a wait and a signal are refused of a message that is staged', async () => {
  for (const options of [{ tx: {} }, { wait: '1s' }, { signal: AbortSignal.abort() }]) {
    await using t = await testBus({
      use(bus) {
        bus.consume(Note, { name: 'notes', retry: { attempts: 1 } }, async (_msg, ctx) => {
          await ctx.publish(Keyed, { customerId: 'c' }, loose(options));
        });
      },
    });
    const { id } = await t.publish(Note, { n: 1 });
    await t.settle();
    const [letter] = await t.dead.get(id);

    assert.match(
      letter?.lastFailure?.message ?? '',
      /^ctx\.publish has no option "(tx|wait|signal)"/,
    );
  }
});

test('a fault at no known point is refused', async () => {
  await using t = await testBus({ use: () => {} });

  const { code } = await errorOf(() => t.faults.crash(loose('handler')));

  assert.equal(code, 'OPTION_INVALID');
});

test('a bus that was stopped takes no consumer', async () => {
  const bus = newBus();
  await bus.start();
  await bus.stop();

  const { code } = await errorOf(() => bus.consume(Note, subscribed, () => {}));

  assert.equal(code, 'BUS_STOPPED');
});

test('a printed error says what it knows, once', async () => {
  const bus = newBus();
  await bus.stop();

  const refused = await errorOf(() => bus.publish(Note, { n: 1 }, { id: 'a' }));
  const other = await errorOf(() => bus.start());

  assert.equal(refused.cause, undefined);
  assert.match(inspect(refused), /id: 'a'/);
  assert.doesNotMatch(inspect(other), /id: |cause/);
});
