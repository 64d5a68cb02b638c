/** `rate`: no more starts than that in any such time, over all processes or in this one. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createBus, message } from 'malote';
import { memory } from 'malote/memory';
import { sqlite } from 'malote/sqlite';
import { testBus } from 'malote/testing';
import { describe, test } from 'vitest';
import type { Bus } from '../../src/index.ts';
import { assembleBus } from '../../src/runtime/create-bus.ts';
import type { HandlingOptions } from '../../src/runtime/options.ts';
import { seededRandom, sequentialIds } from '../../src/testing/seeded.ts';
import { settleTurns, type VirtualClock, virtualClock } from '../../src/testing/virtual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { codeThrown } from './support.ts';

const Call = message<{ n: number; key?: string }>('call', { orderBy: ({ key }) => key ?? 'k' });
const Loose = message<{ n: number }>('loose');

/** The most starts in any such time. */
function densest(starts: readonly number[], perMs: number): number {
  return Math.max(
    ...starts.map((from) => starts.filter((at) => at >= from && at < from + perMs).length),
  );
}

describe.each(['lanes', 'partitions'] as const)('%s', (shape) => {
  test.each([
    { limit: 1, per: 60_000, span: 600_000, least: 10 },
    { limit: 5, per: 1_000, span: 4_000, least: 20 },
    { limit: 1_000, per: 1_000, span: 3_000, least: 2_700 },
  ])('$limit in any $per ms, and hardly fewer', async ({ limit, per, span, least }) => {
    const starts: number[] = [];
    await using t = await testBus({
      shape,
      use: (bus) =>
        bus.consume(Loose, { name: 's', concurrency: 100, rate: { limit, per } }, () => {
          starts.push(t.clock.now().getTime());
        }),
    });
    const items = Array.from({ length: 500 }, (_, n) => ({ n }));
    for (let sent = 0; sent < least + limit; sent += 500) await t.publishMany(Loose, items);

    const from = t.clock.now().getTime();
    await t.settle();
    await t.clock.advance(span - 1);
    await t.settle();

    assert.ok(densest(starts, per) <= limit, `${densest(starts, per)} in ${per} ms`);
    assert.ok(starts.length >= least, `${starts.length} in ${span} ms`);
    assert.ok(starts.every((at) => at - from < span));
  });

  test('keys keep their order, retries are starts, and no attempt is spent on waiting', async () => {
    const seen: [n: number, attempt: number, at: number][] = [];
    await using t = await testBus({
      shape,
      use: (bus) =>
        bus.consume(
          Call,
          { name: 's', rate: { limit: 1, per: '10s' }, retry: { attempts: 2 } },
          (msg, ctx) => {
            seen.push([msg.data.n, ctx.attempt, t.clock.now().getTime()]);
            if (msg.data.n === 1 && ctx.attempt === 1) ctx.retryIn(1);
          },
        ),
    });
    const from = t.clock.now().getTime();
    await t.publishMany(Call, [{ n: 1 }, { n: 2 }, { n: 3, key: 'other' }, { n: 4 }]);
    await t.clock.advance('2m');
    await t.settle();

    assert.deepEqual(seen.map(([n, attempt]) => `${n}/${attempt}`).toSorted(), [
      '1/1',
      '1/2',
      '2/1',
      '3/1',
      '4/1',
    ]);
    const ofKey = seen.flatMap(([n]) => (n === 3 ? [] : [n]));
    assert.deepEqual(ofKey, [1, 1, 2, 4]);
    assert.deepEqual(
      seen.map(([, , at]) => at - from),
      [0, 10_000, 20_000, 30_000, 40_000],
    );
  });

  test('holds no more than what may start next: another process has the rest', async () => {
    await using t = await testBus({
      shape,
      use: (bus) =>
        bus.consume(Loose, { name: 's', concurrency: 10, rate: { limit: 1, per: '1h' } }, () => {}),
    });
    await t.publishMany(Loose, [{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }]);
    await t.settle();

    const { done, leased, ready } = await t.subscriptions.stats('s');

    assert.deepEqual([done, leased, ready], [1, 1, 2]);
  });

  test('what its type had no slot for starts at the rate as well', async () => {
    const starts: number[] = [];
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => void (open = resolve));
    await using t = await testBus({
      shape,
      use: (bus) =>
        bus.consume(
          Loose,
          { name: 's', concurrencyByType: { loose: 1 }, rate: { limit: 1, per: '1s' } },
          ({ data }) => {
            starts.push(t.clock.now().getTime());
            return data.n === 0 ? gate : null;
          },
        ),
    });
    await t.publishMany(
      Loose,
      Array.from({ length: 9 }, (_, n) => ({ n })),
    );
    await t.clock.advance('10s');
    const before = starts.length;
    open();
    await t.clock.advance('20s');

    assert.deepEqual([before, starts.length, densest(starts, 1_000)], [1, 9, 1]);
  });

  test('a stop waits for no rate, and gives back what it held', async () => {
    const t = await testBus({
      shape,
      use: (bus) => bus.consume(Loose, { name: 's', rate: { limit: 1, per: '1d' } }, () => {}),
    });
    await t.publishMany(Loose, [{ n: 1 }, { n: 2 }]);
    await t.settle();

    await t.stop();

    assert.equal(t.timeline().filter(({ kind }) => kind === 'acked').length, 1);
    assert.equal(t.timeline().at(-1)?.kind, 'stopped-bus');
  });
});

interface Fleet {
  readonly starts: number[];
  readonly buses: readonly Bus[];
  readonly clock: VirtualClock;
}

type RateOptions = NonNullable<HandlingOptions['rate']>;

/** Two processes on one engine and one clock. */
async function twoProcesses(
  engine: Parameters<typeof assembleBus>[0]['engine'],
  rate: RateOptions,
): Promise<Fleet> {
  const clock = virtualClock();
  const starts: number[] = [];
  const buses = ['a', 'b'].map((process, index) => {
    const { bus } = assembleBus<unknown>(
      { engine, name: process, handleSignals: false, logger: false },
      { clock, random: seededRandom(index), newId: sequentialIds(process), process },
    );
    bus.consume(Loose, { name: 's', rate }, () => void starts.push(clock.now()));
    return bus;
  });
  for (const bus of buses) await bus.start();
  await buses[0]!.publishMany(
    Loose,
    Array.from({ length: 100 }, (_, n) => ({ n })),
  );
  return { starts, buses, clock };
}

async function stopAll({ buses, clock }: Fleet): Promise<void> {
  const stopped = buses.map((bus) => bus.stop());
  await clock.advance(60_000);
  await Promise.all(stopped);
}

describe('two processes', () => {
  test.each(['memory', 'sqlite'] as const)('share one rate on %s', async (kind) => {
    const path = join(temporaryFolder(), 'rate.db');
    const fleet = await twoProcesses(kind === 'memory' ? memory() : sqlite(path), {
      limit: 10,
      per: '1s',
    });

    for (let ms = 0; ms < 3_000; ms += 10) {
      await fleet.clock.advance(10);
      await settleTurns(2);
    }
    const { starts } = fleet;
    await stopAll(fleet);

    assert.ok(densest(starts, 1_000) <= 10, `${densest(starts, 1_000)} in a second`);
    assert.ok(starts.length > 20, `${starts.length} in three seconds`);
  });

  test('have each their own with scope: process', async () => {
    const fleet = await twoProcesses(memory(), { limit: 2, per: '1s', scope: 'process' });

    await fleet.clock.advance(999);
    const { length } = fleet.starts;
    await stopAll(fleet);

    assert.equal(length, 4);
  });
});

const engine = memory();
const alone = { ...engine, capabilities: { ...engine.capabilities, coordination: false } };

describe('on an engine whose processes share nothing', () => {
  const bus = createBus({ engine: alone, handleSignals: false, logger: false });
  const rate = { limit: 1, per: '1s' } as const;

  test('a rate over all of them is refused, with the cure', () => {
    assert.throws(() => bus.consume(Loose, { name: 's', rate }, () => {}), {
      code: 'CAPABILITY_MISSING',
      message: /subscription "s": rate: .*; give createBus a store that can, or .*scope: 'process'/,
    });
  });

  test('one of this process is not', () => {
    const own = { ...rate, scope: 'process' } as const;

    assert.doesNotThrow(() => bus.consume(Loose, { name: 's', rate: own }, () => {}));
  });
});

test.each([
  [{ limit: 0, per: '1s' }, 'OPTION_INVALID'],
  [{ limit: 1.5, per: '1s' }, 'OPTION_INVALID'],
  [{ limit: 1, per: '0ms' }, 'OPTION_INVALID'],
  [{ limit: 1 }, 'OPTION_INVALID'],
  [{ limit: 1, per: '1s', scope: 'all' }, 'OPTION_INVALID'],
  [{ limit: 1, per: '1s', by: 'key' }, 'OPTION_UNKNOWN'],
])('rate: %j is refused: %s', (rate, code) => {
  const bus = createBus({ engine: memory(), handleSignals: false, logger: false });

  assert.equal(
    codeThrown(() => bus.consume(Loose, { name: 's', rate: rate as never }, () => {})),
    code,
  );
});
