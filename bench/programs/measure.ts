/** What is measured beside the rate: event loop, processor, memory, files, and who else runs. */

import { statSync } from 'node:fs';
import { cpus } from 'node:os';
import { monitorEventLoopDelay, type RecordableHistogram } from 'node:perf_hooks';
import type { Metrics } from '../scenario.ts';
import { startProfile, stopProfile } from './profiler.ts';

export const megabyte = 1_000_000;

/** Begins a measured stretch; the function it answers ends it. */
export function measure(handled: () => number): () => Metrics {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const before = handled();
  const startedAt = performance.now();
  const cpuBefore = process.cpuUsage();
  const busyBefore = busyMs();
  startProfile();
  return () => {
    stopProfile();
    const ms = performance.now() - startedAt;
    const { user, system } = process.cpuUsage(cpuBefore);
    const ownMs = (user + system) / 1_000;
    delay.disable();
    return {
      perSecond: ((handled() - before) / ms) * 1_000,
      // On a machine that others use too, this says more about the code than the rate does.
      perCpuSecond: ((handled() - before) / ownMs) * 1_000,
      loopP99Ms: delay.percentile(99) / 1e6,
      cpu: ownMs / ms,
      otherCpu: Math.max(0, (busyMs() - busyBefore - ownMs) / ms),
      rssMb: process.memoryUsage.rss() / megabyte,
    };
  };
}

export function latencies(histogram: RecordableHistogram): Metrics {
  return {
    p50Ms: histogram.percentile(50) / 1e6,
    p99Ms: histogram.percentile(99) / 1e6,
    maxMs: histogram.max / 1e6,
  };
}

/** Nanoseconds of a clock that all processes of a machine share. */
export function instant(): number {
  return Number(process.hrtime.bigint());
}

/** Megabytes of a file; 0 where there is none. */
export function fileMb(file: string): number {
  return (statSync(file, { throwIfNoEntry: false })?.size ?? 0) / megabyte;
}

/** Milliseconds that all cores have worked since the machine started. */
function busyMs(): number {
  return cpus().reduce(
    (sum, { times }) => sum + times.user + times.nice + times.sys + times.irq,
    0,
  );
}
