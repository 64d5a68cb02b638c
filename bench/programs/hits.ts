/** How many values a second one process reads that are there. */

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CacheDriver, openCache, rateOf } from '../drivers/cache.ts';
import type { Answer, Spec } from '../scenario.ts';
import { measure } from './measure.ts';
import { inPlace } from './place.ts';

type HitsSpec = Extract<Spec, { readonly program: 'hits' }>;

const keyCount = 1_000;
const callers = 50;
/** Reads may never leave the microtasks; timers have to run too. */
const breathEvery = 64;

export async function hits({ settings, duration }: HitsSpec): Promise<Answer> {
  return await inPlace(async (file) => {
    let loads = 0;
    const load = async (key: string): Promise<ReturnType<typeof rateOf>> => {
      loads += 1;
      return rateOf(key);
    };
    const cache = await openCache({ settings, file, load });
    const keys = Array.from({ length: keyCount }, (_, index) => `rate-${index}`);
    for (const key of keys) await cache.get(key);
    const reading = { handled: 0, isOver: false };
    const all = Array.from({ length: callers }, () => read(cache, keys, reading));
    await sleep(duration.warmUpMs);
    const measured = measure(() => reading.handled);
    await sleep(duration.measureMs);
    const metrics = measured();
    reading.isOver = true;
    await Promise.all(all);
    assert.equal(loads, keyCount, 'a key was loaded although it was there');
    await cache.close();
    return { metrics, versions: cache.versions ?? {} };
  });
}

async function read(
  cache: CacheDriver,
  keys: readonly string[],
  reading: { handled: number; readonly isOver: boolean },
): Promise<void> {
  while (!reading.isOver) {
    for (let count = 0; count < breathEvery; count++) {
      const key = keys[Math.floor(Math.random() * keys.length)]!;
      const value = await cache.get(key);
      assert.equal(value.key, key);
      reading.handled += 1;
    }
    await new Promise(setImmediate);
  }
}
