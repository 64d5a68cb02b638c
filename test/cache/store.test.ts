/** Where caches and locks live on a bus whose engine cannot keep them: in its store. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createBus, type Engine } from 'malote';
import { memory } from 'malote/memory';
import { sqlite } from 'malote/sqlite';
import { test } from 'vitest';
import { codeOf, codeThrown } from '../runtime/support.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const file = join(temporaryFolder(), 'store.db');

/** As a broker is: it moves messages and keeps nothing else. */
function broker(): Engine {
  const engine = memory();
  return {
    ...engine,
    capabilities: { ...engine.capabilities, coordination: false },
    open: async (host) => ({ ...(await engine.open(host)), coordination: null }),
  };
}

test('an engine without locks and caches says so at once', async () => {
  await using bus = createBus({ engine: broker(), logger: false });

  const make = (): unknown => bus.cache('rates', { ttl: '1m', load: () => 1 });
  assert.equal(codeThrown(make), 'CAPABILITY_MISSING');
  assert.equal(await codeOf(bus.lock('nightly')), 'CAPABILITY_MISSING');
});

test('a store has them for the engine', async () => {
  const start = () => createBus({ engine: broker(), store: sqlite(file), logger: false });
  await using one = start();
  await using two = start();
  let loads = 0;
  const load = (): number => ++loads;
  const caches = [one, two].map((bus) => bus.cache('rates', { ttl: '1h', load }));

  assert.deepEqual(await Promise.all(caches.map((cache) => cache.get('EUR'))), [1, 1]);
  assert.equal(loads, 1);
  await using held = await one.lock('nightly');
  assert.equal(await codeOf(two.lock('nightly', { wait: 0 })), 'LOCK_TIMEOUT');
  assert.equal(held.signal.aborted, false);
});
