/** Publishing and consuming at once in one process, for a while. */

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Driver } from '../drivers/driver.ts';
import { heardAcks } from '../drivers/malote.ts';
import { openDriver } from '../drivers/open.ts';
import { assertSeenOnce, createLoad, type Load, type Order } from '../load.ts';
import type { Answer, FlowSettings, Spec } from '../scenario.ts';
import { fileMb, measure } from './measure.ts';
import { onEngine } from './place.ts';
import { drained, emptied, preload, publishAll } from './publishing.ts';

export type FlowSpec = Extract<Spec, { readonly program: 'flow' | 'turns' }>;

export async function flow({ settings, duration }: FlowSpec): Promise<Answer> {
  const load = createLoad({ producer: 0, keys: settings.keys, backlog: settings.backlog });
  return await onEngine(settings, async (place) => {
    const driver = await openDriver({ settings, place, handle: handlerOf(load, settings) });
    await preload(driver, load, settings);
    await driver.start();
    const publishing = publishAll(driver, load, settings.publishers);
    await Promise.race([publishing, sleep(duration.warmUpMs)]);
    const measured = measure(() => load.handled);
    const hotBefore = load.hot;
    const open = averageOpen(load);
    const startedAt = performance.now();
    await Promise.race([publishing, sleep(duration.measureMs)]);
    const hotPerMs = (load.hot - hotBefore) / (performance.now() - startedAt);
    const metrics = measured();
    load.close();
    await publishing;
    await drained(load);
    const walMb = fileMb(`${place}-wal`);
    await checkDone(driver, load, settings);
    await driver.close();
    const perSecond = metrics['perSecond'] ?? 0;
    const hotPerSecond = hotPerMs * 1_000;
    return {
      metrics: {
        ...metrics,
        walMb,
        open: open(),
        hotPerSecond,
        totalPerSecond: perSecond + hotPerSecond,
      },
      versions: driver.versions ?? {},
    };
  });
}

export function handlerOf(
  load: Load,
  { failEvery }: FlowSettings,
): (order: Order, attempt: number) => Promise<void> {
  if (failEvery === 0) return async (order) => load.see(order);
  return async (order, attempt) => {
    if (attempt === 1 && order.n % failEvery === 0) throw new Error('meant to fail');
    load.see(order);
  };
}

/** A wrong run is not a figure. */
export async function checkDone(driver: Driver, load: Load, settings: FlowSettings): Promise<void> {
  assertSeenOnce(load.issued, [load.marks[0]!]);
  assert.equal(load.misordered, 0, `${load.misordered} messages overtook one of their key`);
  if (settings.hot > 0) return;
  assert.equal(load.hot, 0, `${load.hot} messages did not wait for their facts`);
  await emptied(driver, settings.blocked);
  if (settings.listener) {
    assert.equal(heardAcks(), load.issued, 'the listener did not hear every ack');
  }
}

/** Samples how many messages are under way; the function it answers ends that. */
export function averageOpen(load: Load): () => number {
  let sum = 0;
  let samples = 0;
  const timer = setInterval(() => {
    sum += load.open;
    samples += 1;
  }, 20);
  return () => {
    clearInterval(timer);
    return sum / Math.max(1, samples);
  };
}
