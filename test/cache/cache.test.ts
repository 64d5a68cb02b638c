/** What `bus.cache` promises its callers, over several processes and on a clock that tests move. */
import assert from 'node:assert/strict';
import { MaloteError } from 'malote';
import { settleTurns } from 'malote/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { codeOf } from '../runtime/support.ts';
import { type Loads, loads, outcomes, type Processes, processes } from './support.ts';

let world: Processes;
let loading: Loads<unknown>;

beforeEach(() => {
  world = processes({ random: () => 0 });
  loading = loads();
});
afterEach(() => world.end());

const usual = { ttl: '1h', stale: '5m' } as const;
const rate = { rate: '1.0837' };

test('callers of several processes share one load, and each gets a copy of its own', async () => {
  const caches = [1, 2, 3].map(() =>
    world.start().cache('rates', { ...usual, load: loading.load }),
  );

  const calls = caches.flatMap((cache) => [1, 2, 3, 4].map(() => cache.get('EUR')));
  await settleTurns();
  await loading.succeed(rate);
  const values = await Promise.all(calls);

  assert.equal(loading.count, 1);
  assert.deepEqual(
    values,
    Array.from({ length: 12 }, () => rate),
  );
  assert.equal(new Set(values).size, 12);
  assert.deepEqual(await caches[1]!.get('EUR'), rate);
  assert.equal(loading.count, 1);
});

test('keys, and caches of different names, are loaded apart', async () => {
  const bus = world.start();
  const rates = bus.cache('rates', { ...usual, load: async (key) => `rate of ${key}` });
  const names = bus.cache('names', { ...usual, load: async (key) => `name of ${key}` });

  const got = [await rates.get('EUR'), await rates.get('USD'), await names.get('EUR')];

  assert.deepEqual(got, ['rate of EUR', 'rate of USD', 'name of EUR']);
});

test('a value is handed out while it is fresh and loaded anew when it is over', async () => {
  const cache = world.start().cache('rates', { ttl: '1h', load: loading.load });
  const first = cache.get('EUR');
  await settleTurns();
  await loading.succeed(1);
  await first;
  await world.clock.advance('59m');
  assert.equal(await cache.get('EUR'), 1);

  await world.clock.advance('2m');
  const second = cache.get('EUR');
  await settleTurns();
  await loading.succeed(2);

  assert.equal(await second, 2);
  assert.equal(loading.count, 2);
});

test('a stale value comes at once, and one process of all loads a new one behind it', async () => {
  const caches = [1, 2].map(() => world.start().cache('rates', { ...usual, load: loading.load }));
  const first = caches[0]!.get('EUR');
  await settleTurns();
  await loading.succeed(1);
  await first;
  await world.clock.advance('61m');

  assert.deepEqual(await Promise.all(caches.map((cache) => cache.get('EUR'))), [1, 1]);
  assert.deepEqual(await Promise.all(caches.map((cache) => cache.get('EUR'))), [1, 1]);
  await settleTurns();
  assert.equal(loading.count, 2);
  await loading.succeed(2);

  assert.deepEqual(await Promise.all(caches.map((cache) => cache.get('EUR'))), [2, 2]);
  assert.equal(loading.count, 2);
});

test('a stale value is handed out while loads fail, and none is tried while that is remembered', async () => {
  const cache = world.start().cache('rates', { ...usual, errors: '10s', load: loading.load });
  const first = cache.get('EUR');
  await settleTurns();
  await loading.succeed(1);
  await first;
  await world.clock.advance('61m');
  await cache.get('EUR');
  await settleTurns();
  await loading.fail(new Error('down'));

  assert.equal(await cache.get('EUR'), 1);
  await world.clock.advance('9s');
  assert.equal(await cache.get('EUR'), 1);
  assert.equal(loading.count, 2);
  await world.clock.advance('2s');
  assert.equal(await cache.get('EUR'), 1);
  await settleTurns();

  assert.equal(loading.count, 3);
  await loading.fail(new Error('still down'));
  await world.clock.advance('5m');
  const seen = outcomes([cache.get('EUR')]);
  await settleTurns();
  await loading.fail(new Error('down for good'));
  assert.deepEqual(seen, ['CACHE_LOAD_FAILED'], 'nothing is handed out for ever');
});

test('values loaded together are refreshed at different times, within stale', async () => {
  const spread = processes({ random: () => 0.5 });
  try {
    const bus = spread.start();
    const cache = bus.cache('rates', { ttl: '10m', stale: '10m', load: loading.load });
    const exact = bus.cache('exact', { ttl: '10m', load: async () => 'kept' });
    const first = cache.get('EUR');
    await settleTurns();
    await loading.succeed(1);
    await first;
    await exact.get('EUR');

    await spread.clock.advance('10.4m');
    await cache.get('EUR');
    await settleTurns();
    assert.equal(loading.count, 1, 'it is fresh for half of a tenth longer');
    await spread.clock.advance('0.2m');
    await cache.get('EUR');
    await settleTurns();
    assert.equal(loading.count, 2);
  } finally {
    await spread.end();
  }
});

test('that there is none is remembered for a while, in all processes', async () => {
  const caches = [1, 2].map(() => world.start().cache('rates', { ...usual, load: loading.load }));
  const calls = caches.map((cache) => cache.get('XXX'));
  await settleTurns();
  await loading.succeed(undefined);

  assert.deepEqual(await Promise.all(calls), [undefined, undefined]);
  await world.clock.advance('9s');
  assert.equal(await caches[1]!.get('XXX'), undefined);
  assert.equal(loading.count, 1);
  await world.clock.advance('2s');
  const again = caches[1]!.get('XXX');
  await settleTurns();
  await loading.succeed(rate);
  assert.deepEqual(await again, rate, 'what was created meanwhile is found');
});

test('that there is none is remembered for no longer than a value', async () => {
  const cache = world.start().cache('rates', { ttl: '5s', load: loading.load });
  outcomes([cache.get('XXX')]);
  await settleTurns();
  await loading.succeed(undefined);
  await world.clock.advance('6s');

  const again = outcomes([cache.get('XXX')]);
  await settleTurns();
  await loading.succeed(rate);

  assert.deepEqual(again, [JSON.stringify(rate)]);
});

test('an error reaches everybody who waited, with its name, and is remembered as long as told', async () => {
  const caches = [1, 2].map(() =>
    world.start().cache('rates', { ...usual, errors: '5s', load: loading.load }),
  );
  const calls = caches.flatMap((cache) => [cache.get('EUR'), cache.get('EUR')]);
  const seen = outcomes(calls);
  await settleTurns();
  await loading.fail(new RangeError('the rates service answered 503'));

  assert.deepEqual(
    seen,
    Array.from({ length: 4 }, () => 'CACHE_LOAD_FAILED'),
  );
  const error: unknown = await calls[3]!.catch((reason: unknown) => reason);
  assert.ok(error instanceof MaloteError && error.cause instanceof Error);
  assert.equal(error.cause.name, 'RangeError');
  assert.match(error.message, /"rates": loading "EUR" failed with RangeError: .* 503$/);
  await world.clock.advance('4s');
  assert.equal(await codeOf(caches[1]!.get('EUR')), 'CACHE_LOAD_FAILED');
  assert.equal(loading.count, 1);
  await world.clock.advance('2s');
  const again = caches[1]!.get('EUR');
  await settleTurns();
  await loading.succeed(rate);
  assert.deepEqual(await again, rate);
});

test('an error that is not remembered reaches those who waited, and the next one loads', async () => {
  const caches = [1, 2].map(() =>
    world.start().cache('rates', { ...usual, errors: 0, load: loading.load }),
  );
  const seen = outcomes(caches.map((cache) => cache.get('EUR')));
  await settleTurns();
  await loading.fail('no error at all');
  assert.deepEqual(seen, ['CACHE_LOAD_FAILED', 'CACHE_LOAD_FAILED']);

  const again = caches[1]!.get('EUR');
  await settleTurns();
  await loading.succeed(rate);

  assert.deepEqual(await again, rate);
  assert.equal(loading.count, 2);
});

test('a load that takes too long is told to stop and has failed', async () => {
  const cache = world.start().cache('rates', { ...usual, timeout: '5s', load: loading.load });
  const seen = outcomes([cache.get('EUR')]);
  await settleTurns();
  await world.clock.advance('4.9s');
  assert.deepEqual(seen, ['open']);

  await world.clock.advance('0.2s');

  assert.deepEqual(seen, ['CACHE_LOAD_FAILED']);
  assert.equal((loading.signals[0]!.reason as MaloteError).code, 'TIMED_OUT');
  await loading.succeed('late');
  assert.equal(await codeOf(cache.get('EUR')), 'CACHE_LOAD_FAILED', 'what came late is not kept');
});

test('a load that takes longer than its lease keeps it', async () => {
  const options = { ...usual, timeout: '1h', lock: { ttl: '1s', wait: '10m' } } as const;
  const caches = [1, 2].map(() => world.start().cache('rates', { ...options, load: loading.load }));
  const seen = outcomes(caches.map((cache) => cache.get('EUR')));
  await settleTurns();

  await world.clock.advance('30s');
  await loading.succeed(7);

  assert.deepEqual(seen, ['7', '7']);
  assert.equal(loading.count, 1);
});

test('a caller waits no longer than it is allowed to, and the load goes on for the others', async () => {
  const options = { ...usual, timeout: '10m', lock: { wait: '5s' } } as const;
  const caches = [1, 2].map(() => world.start().cache('rates', { ...options, load: loading.load }));
  const seen = outcomes(caches.map((cache) => cache.get('EUR')));
  await settleTurns();
  await world.clock.advance('3s');
  const late = outcomes(caches.map((cache) => cache.get('EUR')));
  await world.clock.advance('2.1s');
  assert.deepEqual([...seen, ...late], ['CACHE_TIMEOUT', 'CACHE_TIMEOUT', 'open', 'open']);

  await loading.succeed(7);

  assert.deepEqual(late, ['7', '7']);
  assert.equal(loading.count, 1);
});

test('a caller may give up by its signal, alone', async () => {
  const cache = world.start().cache('rates', { ...usual, load: loading.load });
  const giving = new AbortController();
  const calls = [cache.get('EUR', { signal: giving.signal }), cache.get('EUR')];
  const seen = outcomes(calls);
  await settleTurns();

  giving.abort(new Error('enough'));
  await settleTurns();
  assert.deepEqual(seen, ['WAIT_ABORTED', 'open']);

  await loading.succeed(7);
  assert.deepEqual(seen, ['WAIT_ABORTED', '7']);
});

test('a process that dies while it loads costs one more load, after its lease', async () => {
  const options = { ...usual, lock: { ttl: '2s' } } as const;
  const [dying, other] = [world.start(), world.start()];
  outcomes([dying.cache('rates', { ...options, load: loading.load }).get('EUR')]);
  await settleTurns();
  const seen = outcomes([other.cache('rates', { ...options, load: loading.load }).get('EUR')]);
  await settleTurns();
  dying.abandon();

  await world.clock.advance('3s');
  assert.equal(loading.count, 2);
  await loading.succeed('of the dead');
  await loading.succeed('of the living');

  assert.deepEqual(seen, ['"of the living"']);
  assert.equal(loading.count, 2);
  assert.ok(loading.tokens[1]! > loading.tokens[0]!);
});

test('whoever asks after an invalidation gets what was loaded after it', async () => {
  const caches = [1, 2].map(() => world.start().cache('rates', { ...usual, load: loading.load }));
  const [early, other] = [caches[0]!, caches[1]!];
  const before = outcomes([early.get('EUR')]);
  await settleTurns();

  await other.invalidate('EUR');
  const after = outcomes([early.get('EUR'), other.get('EUR')]);
  await settleTurns();
  await loading.succeed('began before');
  assert.ok(!after.includes('"began before"'));
  await loading.succeed('began after');

  assert.deepEqual([...before, ...after], Array(3).fill('"began after"'));
  assert.equal(loading.count, 2);
  assert.ok(world.kinds().includes('cache-refused'));
});

test('whoever asks after an invalidation does not wait for the load of before', async () => {
  const cache = world.start().cache('rates', { ...usual, load: loading.load });
  const before = outcomes([cache.get('EUR')]);
  await settleTurns();

  await cache.invalidate('EUR');
  const after = outcomes([cache.get('EUR')]);
  await settleTurns();
  assert.equal(loading.count, 2);
  await world.clock.advance('4s');
  assert.equal((loading.signals[0]!.reason as MaloteError).code, 'LOCK_LOST');
  await loading.succeed('began before');
  await loading.succeed('began after');

  assert.deepEqual([...before, ...after], Array(2).fill('"began after"'));
});

test('a stop tells loads and those who wait, and another process may load at once', async () => {
  const [stopping, other] = [world.start(), world.start()];
  const options = { ...usual, load: loading.load };
  const waiting = other.cache('rates', options);
  const seen = outcomes([stopping.cache('rates', options).get('EUR')]);
  await settleTurns();
  const others = outcomes([waiting.get('EUR')]);
  await settleTurns();

  await stopping.stop();
  await settleTurns();

  assert.deepEqual(seen, ['BUS_STOPPED']);
  assert.equal(loading.signals[0]!.aborted, true);
  assert.equal(loading.count, 2);
  await loading.succeed('of the stopped');
  await loading.succeed(7);
  assert.deepEqual(others, ['7']);
});

test('a value that is no JSON, or too large, is a failed load', async () => {
  const bus = world.start();
  const large = bus.cache('large', { ttl: '1h', load: async () => 'x'.repeat(2 ** 20) });
  const odd = bus.cache('odd', { ttl: '1h', load: async () => 1n });

  assert.equal(await codeOf(large.get('a')), 'CACHE_LOAD_FAILED');
  await expect(large.get('a')).rejects.toMatchObject({ cause: { message: /1048576 bytes/ } });
  await expect(odd.get('a')).rejects.toMatchObject({ cause: { code: 'DATA_INVALID' } });
});

test('a loader that throws at once has failed like any other', async () => {
  const load = (): string => {
    throw new TypeError('no such key');
  };
  const cache = world.start().cache('rates', { ttl: '1h', load });

  await expect(cache.get('EUR')).rejects.toMatchObject({ cause: { name: 'TypeError' } });
});

test('keys may be anything that is turned into text', async () => {
  const cache = world.start().cache('pairs', {
    ttl: '1h',
    key: (pair: { from: string; to: string }) => `${pair.from}/${pair.to}`,
    load: async ({ from, to }) => `${to} for ${from}`,
  });

  assert.equal(await cache.get({ from: 'EUR', to: 'BRL' }), 'BRL for EUR');
  assert.equal(await codeOf(cache.get({ from: 'x'.repeat(600), to: 'y' })), 'DATA_INVALID');
});

test('no more values are kept than there may be', async () => {
  let count = 0;
  const cache = world
    .start()
    .cache('small', { ttl: '1h', maxEntries: 2, load: async () => ++count });
  for (const key of ['a', 'b', 'c']) await cache.get(key);

  assert.deepEqual([await cache.get('c'), await cache.get('b'), await cache.get('a')], [3, 2, 4]);
});
