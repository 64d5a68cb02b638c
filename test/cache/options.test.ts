/** What may be asked of a cache, and how it is refused. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { codeOf, codeThrown } from '../runtime/support.ts';
import { type Processes, processes } from './support.ts';

let world: Processes;

beforeEach(() => {
  world = processes();
});
afterEach(() => world.end());

test('options that cannot be meant are refused by name', () => {
  const bus = world.start();
  const load = async (): Promise<number> => 1;
  const make = (options: object): string =>
    codeThrown(() => bus.cache('rates', options as { ttl: '1h'; load: typeof load }));
  expect(() => bus.cache('rates', { ttl: '1h', load, stal: '5m' } as never)).toThrow(
    'cache "rates" has no option "stal"; did you mean "stale"?',
  );

  assert.equal(make({ load }), 'OPTION_INVALID');
  assert.equal(make({ ttl: '1h' }), 'OPTION_INVALID');
  assert.equal(make({ ttl: 'soon', load }), 'OPTION_INVALID');
  assert.equal(make({ ttl: 0, load }), 'OPTION_INVALID');
  assert.equal(make({ ttl: '1h', load, maxEntries: 0 }), 'OPTION_INVALID');
  assert.equal(make({ ttl: '1h', load, key: 'id' }), 'OPTION_INVALID');
  assert.equal(make({ ttl: '1h', load, lock: { ttl: 99 } }), 'OPTION_INVALID');
  assert.equal(make({ ttl: '1h', load, lock: { lease: '1s' } }), 'OPTION_UNKNOWN');
  assert.equal(
    codeThrown(() => bus.cache('a b', { ttl: '1h', load })),
    'DEFINITION_INVALID',
  );
  bus.cache('rates', { ttl: '1h', load });
  assert.equal(make({ ttl: '1h', load }), 'CACHE_TAKEN');
});

test('what is asked of a cache is checked', async () => {
  const cache = world.start().cache('rates', { ttl: '1h', load: async () => 1 });

  assert.equal(await codeOf(cache.get('')), 'DATA_INVALID');
  assert.equal(await codeOf(cache.get(5 as never)), 'DATA_INVALID');
  assert.equal(await codeOf(cache.get('a', { sinal: null } as never)), 'OPTION_UNKNOWN');
  assert.equal(await codeOf(cache.get('a', { signal: 'x' } as never)), 'OPTION_INVALID');
});
