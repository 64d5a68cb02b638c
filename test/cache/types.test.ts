/** What the compiler refuses about caches and locks, and what it works out by itself. */
import assert from 'node:assert/strict';
import { type Bus, type Cache, createBus, type HeldLock } from 'malote';
import { memory } from 'malote/memory';
import { test } from 'vitest';

interface Pair {
  readonly from: string;
  readonly to: string;
}

/** Never called: it only has to compile. */
export async function mistakes(bus: Bus): Promise<void> {
  const load = (): number => 1;
  // @ts-expect-error how long a value is fresh has no default
  bus.cache('a', { load });
  // @ts-expect-error a duration needs a unit it knows
  bus.cache('a', { ttl: '5 minutes', load });
  // @ts-expect-error no such option
  bus.cache('a', { ttl: '5m', stal: '1m', load });
  // @ts-expect-error no such option of lock
  bus.cache('a', { ttl: '5m', lock: { lease: '1s' }, load });
  // @ts-expect-error keys that are no text need `key`
  bus.cache('a', { ttl: '5m', load: ({ from }: Pair) => from });
  // @ts-expect-error `key` answers text
  bus.cache('a', { ttl: '5m', key: (id: number) => id, load });

  const rates = bus.cache('rates', {
    ttl: '1m',
    key: ({ from, to }: Pair) => `${from}/${to}`,
    load: async ({ from }, { signal, token }) => ({ from, token, done: signal.aborted }),
  });
  const rate = await rates.get({ from: 'EUR', to: 'BRL' });
  rate.from satisfies string;
  rate.token satisfies number;
  // @ts-expect-error what the loader answers has no such field
  void rate.to;
  // @ts-expect-error a key of this cache is a pair
  void rates.get('EUR');

  const names = bus.cache('names', {
    ttl: '1m',
    load: async (id): Promise<string | undefined> => (id === '' ? undefined : id),
  });
  names satisfies Cache<string, string | undefined>;
  // @ts-expect-error there may be none
  (await names.get('5')).toUpperCase();

  // @ts-expect-error no such option
  void bus.lock('nightly', { tll: '1m' });
  // @ts-expect-error a signal, not a controller
  void bus.lock('nightly', { signal: new AbortController() });
  await using held = await bus.lock('nightly', { ttl: '1m', wait: 0 });
  held satisfies HeldLock;
  // @ts-expect-error the token is the engine's
  held.token = 5;
}

test('a cache and a lock are part of every bus', () => {
  const bus = createBus({ engine: memory() });

  assert.equal(typeof bus.cache, 'function');
  assert.equal(typeof bus.lock, 'function');
});
