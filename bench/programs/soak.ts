/**
 * A given number of messages, and what the process and its files weigh along the way: after a
 * collection, so that only what is still held is counted.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { openDriver } from '../drivers/open.ts';
import { assertSeenOnce, createLoad, type Load } from '../load.ts';
import type { Answer, Metrics, Spec } from '../scenario.ts';
import { handlerOf } from './flow.ts';
import { fileMb, measure, megabyte } from './measure.ts';
import { onEngine } from './place.ts';
import { drained, emptied, publishAll } from './publishing.ts';

const steps = 20;
const lookMs = 20;

export async function soak(spec: Extract<Spec, { readonly program: 'soak' }>): Promise<Answer> {
  const { settings, messages } = spec;
  const load = createLoad({ producer: 0, ...settings });
  return await onEngine(settings, async (place) => {
    const driver = await openDriver({ settings, place, handle: handlerOf(load, settings) });
    await driver.start();
    const publishing = publishAll(driver, load, settings.publishers);
    const measured = measure(() => load.handled);
    const samples = await Promise.race([sampled(load, messages, place), publishing]);
    const metrics = measured();
    load.close();
    await publishing;
    await drained(load);
    assertSeenOnce(load.issued, [load.marks[0]!]);
    await emptied(driver, 0);
    await driver.close();
    const weights = samples ?? [];
    return { metrics: { ...metrics, ...growth(weights) }, samples: weights };
  });
}

async function sampled(load: Load, messages: number, place: string): Promise<Metrics[]> {
  const samples: Metrics[] = [];
  for (let step = 1; step <= steps; step++) {
    while (load.handled < (messages * step) / steps) await sleep(lookMs);
    samples.push(weigh(load, place));
  }
  return samples;
}

function weigh(load: Load, place: string): Metrics {
  globalThis.gc?.();
  const { heapUsed, rss } = process.memoryUsage();
  return {
    handled: load.handled,
    heapMb: heapUsed / megabyte,
    // The proof of the run grows with every message, in memory of its own.
    rssMb: (rss - load.ownBytes) / megabyte,
    walMb: fileMb(`${place}-wal`),
    fileMb: fileMb(place),
  };
}

/** The last quarter against the second: the first one still warms up. */
function growth(samples: readonly Metrics[]): Metrics {
  const quarter = samples.length / 4;
  const mean = (metric: string, from: number): number => {
    const part = samples.slice(from * quarter, (from + 1) * quarter);
    return part.reduce((sum, sample) => sum + (sample[metric] ?? 0), 0) / Math.max(1, part.length);
  };
  const grown: Record<string, number> = {};
  for (const metric of ['heapMb', 'rssMb', 'walMb', 'fileMb']) {
    grown[metric] = mean(metric, 3);
    grown[`${metric}Growth`] = mean(metric, 1) === 0 ? 1 : mean(metric, 3) / mean(metric, 1);
  }
  return grown;
}
