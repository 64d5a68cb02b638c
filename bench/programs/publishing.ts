/** Publishers that await every publish, and the waiting for what they leave behind. */

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Driver } from '../drivers/driver.ts';
import { beside, keyName, makeOrder, type Load } from '../load.ts';
import type { FlowSettings } from '../scenario.ts';

const pollMs = 5;
/** How long a run may stand still before it counts as broken. */
const patienceMs = 60_000;
const bulk = 5_000;

/** Resolves when the load is closed and every publisher has its last answer. */
export async function publishAll(driver: Driver, load: Load, publishers: number): Promise<void> {
  const publish = async (): Promise<void> => {
    for (;;) {
      if (load.isFull) await load.room();
      if (load.isClosed) return;
      await driver.publish(load.next());
    }
  };
  await Promise.all(Array.from({ length: publishers }, publish));
}

/** Everything that is there before the first handler starts. */
export async function preload(driver: Driver, load: Load, settings: FlowSettings): Promise<void> {
  const { standing, blocked, hot } = settings;
  await publishMany(standing, () => driver.publish(load.next()));
  await publishMany(blocked, (index) => driver.publish(makeOrder(beside, keyName('b', index))));
  await publishMany(hot, () => driver.publish(makeOrder(beside, keyName('h', 0))));
}

export async function publishMany(
  count: number,
  publish: (index: number) => Promise<unknown>,
): Promise<void> {
  for (let from = 0; from < count; from += bulk) {
    const size = Math.min(bulk, count - from);
    await Promise.all(Array.from({ length: size }, (_, index) => publish(from + index)));
  }
}

/** Resolves when all that was issued is handled; rejects where that does not come to pass. */
export async function drained(load: Load): Promise<void> {
  await until(
    () => load.open === 0,
    () => load.handled,
    () => `${load.open} messages were not handled`,
  );
}

/** Resolves when the driver holds no more than this; its last acks may still be on their way. */
export async function emptied(driver: Driver, left: number): Promise<void> {
  let held = await driver.held();
  for (let waited = 0; held > left && waited < patienceMs; waited += pollMs) {
    await sleep(pollMs);
    held = await driver.held();
  }
  assert.equal(held, left, `${held} messages were left, not ${left}`);
}

/** Resolves when it is so; rejects with the complaint where nothing moves any more. */
export async function until(
  done: () => boolean,
  progress: () => number,
  complaint: () => string,
): Promise<void> {
  let last = progress();
  let movedAt = performance.now();
  while (!done()) {
    await sleep(pollMs);
    const now = performance.now();
    if (progress() !== last) [last, movedAt] = [progress(), now];
    assert.ok(now - movedAt < patienceMs, complaint());
  }
}
