/** What callers of a cache can count on when the engine or the stop comes between. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import type { Clock } from '../clock.ts';
import { MaloteError } from '../errors.ts';
import { countingClock } from '../../test/support/counting-clock.ts';
import type { Coordination, Hold, Result } from '../transport/coordination.ts';
import { type Caches, createCaches } from './create-cache.ts';

const hold: Hold = { slot: { space: 'cache:rates', key: 'EUR' }, token: 7, validUntil: 60_000 };

/** An engine without a value, whose slot is free. */
function cachesOn(given: Partial<Coordination>, clock: Clock = countingClock()): Caches {
  const coordination: Coordination = {
    read: async () => ({ entry: null, failure: null }),
    acquire: async () => ({ kind: 'held', hold }),
    extend: async () => true,
    release: async () => true,
    put: async () => true,
    invalidate: async () => assert.fail('not expected'),
    ...given,
  };
  return createCaches({
    clock,
    random: () => 0.9,
    limits: { maxBytes: 1_000, maxDepth: 10 },
    open: async () => coordination,
    emit: () => undefined,
  });
}

test('where a value could not be kept its callers hear why, and the next may load at once', async () => {
  const full = new MaloteError('ENGINE_FULL', 'no room');
  const released: Hold[] = [];
  const caches = cachesOn({
    put: () => Promise.reject(full),
    async release(given) {
      released.push(given);
      return true;
    },
  });
  const cache = caches.cache('rates', { ttl: '1m', load: async () => 'loaded' });

  await assert.rejects(cache.get('EUR'), full);

  assert.deepEqual(released, [hold]);
});

test('a slot that arrives with the stop loads nothing', async () => {
  const stopped = new MaloteError('BUS_STOPPED', 'the bus was stopped');
  let arrive = (): void => {};
  const arriving = new Promise<void>((resolve) => (arrive = resolve));
  const caches = cachesOn({
    async acquire() {
      await arriving;
      return { kind: 'held', hold };
    },
  });
  const load = (): never => assert.fail('loaded after the stop');
  const asked = caches.cache('rates', { ttl: '1m', load }).get('EUR');

  caches.stop(stopped);
  arrive();

  await assert.rejects(asked, stopped);
});

test('an engine that cannot be read is an answer, not a reason to load', async () => {
  const busy = new MaloteError('ENGINE_BUSY', 'busy');
  const caches = cachesOn({ read: () => Promise.reject(busy) });
  const load = (): never => assert.fail('loaded without the engine');

  await assert.rejects(caches.cache('rates', { ttl: '1m', load }).get('EUR'), busy);
});

test('a load that is done leaves nothing that would keep its process', async () => {
  const clock = countingClock();
  const cache = cachesOn({}, clock).cache('rates', { ttl: '1m', load: async () => 'loaded' });

  assert.equal(await cache.get('EUR'), 'loaded');

  assert.equal(clock.armed(), 0);
});

test('callers of one process ask the engine for the slot once', async () => {
  let asked = 0;
  const caches = cachesOn({
    async acquire() {
      asked += 1;
      return { kind: 'held', hold };
    },
  });
  const cache = caches.cache('rates', { ttl: '1m', load: async () => 'loaded' });

  await Promise.all([cache.get('EUR'), cache.get('EUR'), cache.get('EUR')]);

  assert.equal(asked, 1);
});

test('nothing is fresh for longer than it is kept', async () => {
  const results: Result[] = [];
  const caches = cachesOn({
    async put(_, result) {
      results.push(result);
      return true;
    },
  });
  const common = { ttl: '1m', stale: '1s', none: '5s' } as const;

  await caches.cache('none', { ...common, load: () => undefined }).get('EUR');
  await caches.cache('rates', { ...common, load: () => 1 }).get('EUR');

  const [none, value] = results;
  assert.ok(none?.kind === 'entry' && value?.kind === 'entry');
  assert.deepEqual([none.freshMs, none.keptMs], [5_000, 5_000]);
  assert.deepEqual([value.freshMs, value.keptMs], [60_900, 61_000]);
});
