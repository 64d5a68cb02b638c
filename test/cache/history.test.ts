/**
 * Random histories of processes that share a cache: they ask, invalidate, die, stop; loads end in
 * any order, well or badly. What no schedule may break is checked at every step.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type Bus, type Cache, type Engine, MaloteError } from 'malote';
import { memory } from 'malote/memory';
import { sqlite } from 'malote/sqlite';
import { seededRandom, settleTurns } from 'malote/testing';
import { describe, test } from 'vitest';
import { seeds } from '../conformance/seeds.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type Processes, processes } from './support.ts';

interface Value {
  readonly load: number;
  readonly key: string;
}

interface Load extends Value {
  readonly by: Member;
  readonly signal: AbortSignal;
  endedAt: number;
  end(value: Value | undefined, error?: Error): void;
}

interface Member {
  readonly bus: Bus & { abandon(): void };
  readonly cache: Cache<string, Value | undefined>;
  isAlive: boolean;
}

const keys = ['EUR', 'USD'];
const ageMs = { ttl: 3_000, stale: 4_000 };
const stepCount = 150;
const codes = ['CACHE_LOAD_FAILED', 'CACHE_TIMEOUT', 'BUS_STOPPED'];

function play(world: Processes, random: () => number) {
  const { clock } = world;
  const loads: Load[] = [];
  /** What was seen where an error would only fail a load. */
  const wrong: string[] = [];
  const members: Member[] = [];
  /** By key: loads up to this one began before an invalidation that is done. */
  const worthless = new Map<string, number>();
  /** By key: loads up to this one may have been ended by an invalidation. */
  const doubtful = new Map<string, number>();
  /** Keys of invalidations under way. */
  const invalidating: string[] = [];
  let [asked, answered] = [0, 0];

  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)]!;
  const alive = (): Member[] => members.filter(({ isAlive }) => isAlive);
  const open = (): Load[] => loads.filter(({ endedAt }) => endedAt === 0);

  function enter(): void {
    const bus = world.start();
    const member: Member = {
      bus,
      isAlive: true,
      cache: bus.cache('rates', {
        ...ageMs,
        none: '2s',
        lock: { ttl: '3s', wait: '15s' },
        load: (key, { signal }) => begin(member, key, signal),
      }),
    };
    members.push(member);
  }

  function begin(by: Member, key: string, signal: AbortSignal): Promise<Value | undefined> {
    const going = open().filter((load) => load.key === key && load.by.isAlive);
    const rivals = going.filter(({ load }) => load > (doubtful.get(key) ?? 0));
    const valid = rivals.filter((load) => !load.signal.aborted);
    if (valid.length > 0 && !invalidating.includes(key))
      wrong.push(`loads of ${key} at a time: ${valid.length + 1}`);
    return new Promise((resolve, reject) => {
      loads.push({
        load: loads.length + 1,
        key,
        by,
        signal,
        endedAt: 0,
        end(value, error) {
          this.endedAt = clock.monotonic() + 1;
          if (error === undefined) resolve(value);
          else reject(error);
        },
      });
    });
  }

  async function ask(): Promise<void> {
    const [member, key, startedAt] = [pick(alive()), pick(keys), clock.monotonic()];
    const least = worthless.get(key) ?? 0;
    asked += 1;
    try {
      const value = await member.cache.get(key);
      if (value === undefined) return;
      assert.equal(value.key, key);
      assert.ok(value.load > least, `load ${value.load} began before an invalidation`);
      const { endedAt } = loads[value.load - 1]!;
      const age = startedAt - endedAt;
      assert.ok(age < ageMs.ttl + ageMs.stale, `${age} ms old`);
    } catch (error) {
      if (!(error instanceof MaloteError) || !codes.includes(error.code)) throw error;
    } finally {
      answered += 1;
    }
  }

  async function invalidate(): Promise<void> {
    const [member, key, before] = [pick(alive()), pick(keys), loads.length];
    invalidating.push(key);
    try {
      await member.cache.invalidate(key);
      worthless.set(key, Math.max(before, worthless.get(key) ?? 0));
    } catch (error) {
      assert.ok(error instanceof MaloteError && error.code === 'BUS_STOPPED');
    } finally {
      // A load whose slot was taken before may begin a moment after.
      await settleTurns();
      invalidating.splice(invalidating.indexOf(key), 1);
      doubtful.set(key, loads.length);
    }
  }

  function endOne(): undefined {
    const load = pick(open());
    if (load === undefined) return undefined;
    const chance = random();
    if (chance < 0.2) load.end(undefined, new Error('down'));
    else load.end(chance < 0.3 ? undefined : { load: load.load, key: load.key });
    return undefined;
  }

  function leave(how: 'abandon' | 'stop'): Promise<void> | undefined {
    const member = pick(alive());
    member.isAlive = false;
    enter();
    if (how === 'stop') return member.bus.stop();
    member.bus.abandon();
    return undefined;
  }

  return {
    enter,
    wrong,
    /** One step, which may still be under way when it answers. */
    step(): Promise<unknown> | undefined {
      const chance = random();
      if (chance > 0.75) return endOne();
      if (chance < 0.45) return ask();
      if (chance < 0.53) return invalidate();
      if (chance < 0.55) return leave('abandon');
      if (chance < 0.57) return leave('stop');
      return clock.advance(Math.floor(random() * 4_000));
    },
    async finish(): Promise<void> {
      for (let round = 0; answered < asked; round++) {
        assert.ok(round < 100, `${asked - answered} callers were never answered`);
        await clock.advance('1s');
        while (open().length > 0) endOne();
        await settleTurns();
      }
    },
    counts: () => ({ asked, loads: loads.length }),
  };
}

const engines: readonly [string, () => Engine<unknown>][] = [
  ['memory', () => memory()],
  ['sqlite', () => sqlite(join(temporaryFolder(), 'cache.db'))],
];

describe.each(engines)('%s: no schedule breaks a promise', (_, engine) => {
  test.each(seeds)('seed %i', async (seed) => {
    const random = seededRandom(seed);
    const world = processes({ engine: engine(), random });
    const { enter, step, finish, counts, wrong } = play(world, random);
    for (let count = 0; count < 3; count++) enter();
    const under: Promise<unknown>[] = [];
    const failed: unknown[] = [];

    for (let count = 0; count < stepCount; count++) {
      const done = step();
      if (done !== undefined) under.push(done.catch((error: unknown) => failed.push(error)));
      if (random() < 0.6) await settleTurns();
    }
    await finish();
    await Promise.all(under);
    await world.end();

    assert.deepEqual([...failed, ...wrong], []);
    const { asked, loads } = counts();
    assert.ok(loads > 2 && asked > loads, `${asked} asked, ${loads} loads`);
  });
});
