/** What callers get while the engine is down: its error, or what their own process loads. */
import assert from 'node:assert/strict';
import { type Engine, type ErrorCode, MaloteError } from 'malote';
import { memory } from 'malote/memory';
import { settleTurns } from 'malote/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { codeOf, codeThrown } from '../runtime/support.ts';
import { loads, type Processes, processes } from './support.ts';

type Call = 'read' | 'acquire' | 'put';

let world: Processes;
/** What the engine answers to some calls, or to all; null: as ever. */
let down: { readonly code: ErrorCode; readonly at?: Call } | null;

beforeEach(() => {
  down = null;
  world = processes({ engine: breakable() });
});
afterEach(async () => {
  down = null;
  await world.end();
});

function breakable(): Engine {
  const engine = memory();
  return {
    ...engine,
    async open(host) {
      const transport = await engine.open(host);
      const coordination = transport.coordination!;
      const guarded =
        <Given extends unknown[], Answer>(
          name: Call,
          call: (...given: Given) => Promise<Answer>,
        ): ((...given: Given) => Promise<Answer>) =>
        async (...given) => {
          if (down !== null && (down.at ?? name) === name) throw new MaloteError(down.code, 'down');
          return await call(...given);
        };
      return {
        ...transport,
        coordination: {
          ...coordination,
          read: guarded('read', coordination.read),
          acquire: guarded('acquire', coordination.acquire),
          put: guarded('put', coordination.put),
        },
      };
    },
  };
}

const unreachable = { code: 'ENGINE_UNREACHABLE' } as const;

test('callers get the error of the engine, and nothing is loaded past it', async () => {
  const rates = loads<number>();
  const cache = world.start().cache('rates', { ttl: '1h', load: rates.load });
  down = unreachable;

  assert.equal(await codeOf(cache.get('EUR')), 'ENGINE_UNREACHABLE');
  assert.equal(rates.count, 0);
});

test('with whenDown: load their process loads once for all of them, and keeps nothing', async () => {
  const rates = loads<number>();
  const cache = world.start().cache('rates', { ttl: '1h', load: rates.load, whenDown: 'load' });
  down = unreachable;
  const asked = [cache.get('EUR'), cache.get('EUR'), cache.get('EUR')];
  await settleTurns();
  await rates.succeed(1);
  const again = cache.get('EUR');
  await settleTurns();
  await rates.succeed(2);

  assert.deepEqual([await Promise.all(asked), await again], [[1, 1, 1], 2]);
  assert.deepEqual(rates.tokens, [0, 0]);

  down = null;
  const after = cache.get('EUR');
  await settleTurns();
  await rates.succeed(3);
  assert.deepEqual([await after, await cache.get('EUR')], [3, 3]);
  assert.ok(rates.tokens[2]! > 0);
  assert.deepEqual(world.kinds(), ['cache-loaded', 'cache-loaded', 'cache-loaded']);
});

test.each(['acquire', 'put'] as const)('a value is handed out where %s fails', async (at) => {
  const rates = loads<number>();
  const cache = world.start().cache('rates', { ttl: '1h', load: rates.load, whenDown: 'load' });
  down = { ...unreachable, at };
  const asked = cache.get('EUR');
  await settleTurns();
  await rates.succeed(1);

  assert.equal(await asked, 1);
  assert.equal(rates.count, 1);
});

test('what such a load throws, and that it takes too long, its callers are told', async () => {
  const rates = loads<number>();
  const cache = world
    .start()
    .cache('rates', { ttl: '1h', load: rates.load, whenDown: 'load', timeout: '5s' });
  down = unreachable;
  const failing = codeOf(cache.get('EUR'));
  await settleTurns();
  await rates.fail(new Error('no rates'));
  const late = codeOf(cache.get('EUR'));
  await world.clock.advance('5s');

  assert.deepEqual([await failing, await late], ['CACHE_LOAD_FAILED', 'CACHE_LOAD_FAILED']);
  assert.equal(rates.signals[1]!.aborted, true);
});

test.each(['ENGINE_DENIED', 'ENGINE_VERSION', 'ENGINE_MISMATCH'] as const)(
  'a mistake such as %s is not hidden by it',
  async (code) => {
    const rates = loads<number>();
    const cache = world.start().cache('rates', { ttl: '1h', load: rates.load, whenDown: 'load' });
    down = { code };

    assert.equal(await codeOf(cache.get('EUR')), code);
    assert.equal(rates.count, 0);
  },
);

test('what it may be is checked by name', () => {
  const bus = world.start();
  const make = (options: object) => (): unknown =>
    bus.cache('rates', { ttl: '1h', load: () => 1, ...options } as never);

  assert.equal(codeThrown(make({ whenDown: 'lod' })), 'OPTION_INVALID');
  expect(make({ whenDwn: 'load' })).toThrow('did you mean "whenDown"?');
});
