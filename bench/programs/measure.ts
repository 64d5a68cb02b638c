/** What is measured beside the rate: event loop, processor, memory, files, and who else runs. */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { cpus } from 'node:os';
import { monitorEventLoopDelay, type RecordableHistogram } from 'node:perf_hooks';
import type { Metrics } from '../scenario.ts';
import { watchLoop } from './own-block.ts';
import { startProfile, stopProfile } from './profiler.ts';

export const megabyte = 1_000_000;

/** Begins a measured stretch; the function it answers ends it. */
export function measure(handled: () => number): () => Metrics {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const watched = watchLoop();
  const before = handled();
  const startedAt = performance.now();
  const cpuBefore = process.cpuUsage();
  const busyBefore = busyMs();
  const serverBefore = serverMs();
  startProfile();
  return () => {
    stopProfile();
    const ms = performance.now() - startedAt;
    const { user, system } = process.cpuUsage(cpuBefore);
    const ownMs = (user + system) / 1_000;
    const theirMs = serverMs() - serverBefore;
    delay.disable();
    const loopOwnMaxMs = watched();
    return {
      perSecond: ((handled() - before) / ms) * 1_000,
      // On a machine that others use too, this says more about the code than the rate does.
      perCpuSecond: ((handled() - before) / ownMs) * 1_000,
      loopP99Ms: delay.percentile(99) / 1e6,
      loopMaxMs: delay.max / 1e6,
      loopOwnMaxMs,
      cpu: ownMs / ms,
      serverCpu: theirMs / ms,
      otherCpu: Math.max(0, (busyMs() - busyBefore - ownMs - theirMs) / ms),
      rssMb: process.memoryUsage.rss() / megabyte,
    };
  };
}

let server: (() => number) | null = null;

/** What the server of this run uses is measured too, and is nobody else's. */
export function measureServer(pid: () => number): void {
  server = pid;
}

/** Ticks of the processor's accounts in a second; fixed for what the kernel tells programs. */
const ticksPerSecond = 100;

/** Milliseconds that the server's processes have worked; 0 without one, or where nobody tells. */
function serverMs(): number {
  if (server === null || process.platform !== 'linux') return 0;
  const group = String(server());
  let ticks = 0;
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const [, , inGroup, ...rest] = statOf(pid);
    if (inGroup === group) ticks += Number(rest[8]) + Number(rest[9]);
  }
  return (ticks / ticksPerSecond) * 1_000;
}

/** The state of a process, its parent, its group, and so on; nothing of one that has ended. */
function statOf(pid: string): string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}

export function latencies(histogram: RecordableHistogram): Metrics {
  return {
    p50Ms: histogram.percentile(50) / 1e6,
    p99Ms: histogram.percentile(99) / 1e6,
    maxMs: histogram.max / 1e6,
  };
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
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
