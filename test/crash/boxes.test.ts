/**
 * Rows, messages and effects under kills and stops, with outbox, relay and inbox: real processes,
 * and what their tables say afterwards. `MALOTE_SEEDS=all` runs every seed.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, describe, test } from 'vitest';
import { seeds } from '../support/environment.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { sqliteIn } from './arena.ts';
import { examineBoxes } from './box-checkers.ts';
import { boxBus, type BoxPlace, connect, createTables, orderPlaced } from './box-load.ts';
import { surviveBoxes, unharmed } from './box-survival.ts';
import type { EffectRow } from './boxes.ts';
import { type Child, createFleet } from './fleet.ts';
import { type Fault, scheduleOf } from './nemesis.ts';

const folder = temporaryFolder();
const timeout = 120_000;
const places = {
  apart: ['app-1', 'app-2', 'relay-1', 'relay-2', 'worker-1', 'worker-2'],
  together: ['app-1', 'app-2', 'worker-1', 'worker-2'],
};

/** Whoever has a lease to lose. */
const holders = ['relay-1', 'relay-2', 'worker-1', 'worker-2'];

interface Plan {
  readonly seed: number;
  /** `apart`: messages in a file of their own, and relays. */
  readonly shape: 'apart' | 'together';
  readonly faults: number;
  readonly pauses: number;
}

/** How many seeds of each `MALOTE_SEEDS=all` runs; one of each runs always. */
const all = { killing: 4, stopping: 2 };
const apart = (seed: number): Plan => ({ seed, shape: 'apart', faults: 40, pauses: 0 });
const together = (seed: number): Plan => ({ ...apart(100 + seed), shape: 'together' });
const stopping = (seed: number): Plan => ({ ...apart(200 + seed), faults: 14, pauses: 0.7 });

/** Told in the end, and held against nothing: how long it takes is a matter of the machine. */
let sum = { kills: 0, seconds: 0 };

describe('a row, its message and its effect are there once each, in order', () => {
  afterAll(() =>
    console.log(`${sum.kills} kills in ${sum.seconds.toFixed(1)} s, over all seeds that ran`),
  );

  test.each(seeds(1, all.killing))('files apart, killing: seed %i', { timeout }, async (seed) => {
    assert.deepEqual(await survive(apart(seed)), unharmed);
  });

  test.each(seeds(1, all.killing))('one file, killing: seed %i', { timeout }, async (seed) => {
    assert.deepEqual(await survive(together(seed)), unharmed);
  });

  test.each(seeds(1, all.stopping))(
    'files apart, stopping past leases: seed %i',
    { timeout },
    async (seed) => {
      assert.deepEqual(await survive(stopping(seed)), unharmed);
    },
  );

  test('all seeds together kill applications, relays and workers 300 times', () => {
    const numbers = (count: number): number[] => Array.from({ length: count }, (_, at) => at + 1);
    const plans = [
      ...numbers(all.killing).flatMap((seed) => [apart(seed), together(seed)]),
      ...numbers(all.stopping).map(stopping),
    ];
    const faults = plans.flatMap(scheduleFor);
    const kills = faults.filter(({ kind }) => kind === 'kill');
    const longPauses = faults.filter(
      ({ kind, forMs }) => kind === 'pause' && forMs > sqliteIn(folder).leaseMs,
    );

    assert.ok(kills.length >= 300, `${kills.length} kills`);
    for (const role of ['app', 'relay', 'worker']) {
      const own = kills.filter(({ slot }) => slot.startsWith(role));
      assert.ok(own.length >= 40, `${own.length} of ${role}`);
    }
    assert.ok(longPauses.length >= 15, `${longPauses.length} pauses past a lease`);
  });
});

function scheduleFor({ seed, shape, faults, pauses }: Plan): Fault[] {
  return scheduleOf(seed, { slots: pauses > 0 ? holders : places[shape], faults, pauses });
}

async function survive(plan: Plan): Promise<object> {
  const { seed, shape } = plan;
  const own = join(folder, String(seed));
  mkdirSync(own);
  const schedule = scheduleFor(plan);
  const place = { ...filesIn(own, shape), slots: places[shape], folder: own };
  const { unlike, kills, seconds } = await surviveBoxes({ ...place, seed, schedule });
  sum = { kills: sum.kills + kills, seconds: sum.seconds + seconds };
  return unlike;
}

function filesIn(own: string, shape: Plan['shape']): BoxPlace {
  const { engine, leaseMs } = sqliteIn(own);
  return { engine, leaseMs, store: shape === 'together' ? engine : join(own, 'store.db') };
}

test.each(['apart', 'together'] as const)(
  'who slept through a lease stores no effect of a message that died meanwhile, files %s',
  { timeout },
  async (shape) => {
    const own = join(folder, `sleep ${shape}`);
    mkdirSync(own);
    const place = filesIn(own, shape);
    const fleet = createFleet();
    await using bus = boxBus({ ...place, name: 'supervisor' }, false);
    const db = connect(place.store);
    createTables(db);
    await bus.subscribe('ledger', orderPlaced);
    const start = (name: string): Child =>
      fleet.start('child-box-sleeper.ts', name, { ...place, name, histories: own, seed: 0 });
    const sleeper = start('sleeper');
    await sleeper.noticesOf('up', 1);
    await bus.publish(orderPlaced, { label: 'a', key: 'k' });
    await sleeper.noticesOf('start', 1);
    await start('heir').noticesOf('start', 1);
    while ((await bus.dead.list()).items.length === 0) await pause(10);

    sleeper.signal('SIGCONT');
    const said = await sleeper.notice(({ kind }) => kind === 'stored' || kind === 'refused');

    assert.deepEqual([said.kind, said.label], ['refused', 'LEASE_LOST']);
    assert.deepEqual(db.prepare('select * from effect').all(), []);
    db.close();
    await fleet.end();
  },
);

describe('the checkers notice', () => {
  const row = (label: string, given: Partial<EffectRow> = {}): EffectRow => {
    return { subscription: 'ledger', label, key: 'k', token: 1, process: 'p', ...given };
  };
  const business = ['a', 'b'].map((label) => ({ label, key: 'k' }));
  const found = (effects: readonly EffectRow[], rows = business): string[] =>
    Object.keys(examineBoxes({ business: rows, effects }, ['ledger']));

  test('what is lost, doubled, out of order, without its row, or late', () => {
    assert.deepEqual(found([row('a'), row('b')]), []);
    assert.deepEqual(found([row('a')]), ['rows without effect in ledger']);
    assert.deepEqual(found([row('a'), row('b'), row('b')]), [
      'effects twice in ledger',
      'out of order in ledger',
    ]);
    assert.deepEqual(found([row('b'), row('a')]), ['out of order in ledger']);
    assert.deepEqual(found([row('a'), row('b'), row('c', { key: null })]), [
      'message without its row',
    ]);
    assert.deepEqual(found([row('a', { token: 5 }), row('b', { token: 4 })]), [
      'effects of a lost lease in ledger',
    ]);
    const undone = [...business, { label: 'undone 1', key: 'x' }];
    assert.deepEqual(found([row('a'), row('b'), row('undone 1', { key: 'x' })], undone), [
      'taken back and there',
    ]);
  });
});
