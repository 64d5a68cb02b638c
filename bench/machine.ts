/** On what a run was made: without that no figure means anything. */

import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { createHistogram } from 'node:perf_hooks';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly system: string;
  /** How long the disk of the temporary folder takes to make 4 KB durable. */
  readonly syncP50Ms: number;
  readonly syncP99Ms: number;
  /** Programs that wanted to run in the minute before. */
  readonly load: number;
}

const syncs = 300;

export function describeMachine(): Machine {
  const [first] = cpus();
  return {
    cpu: first?.model ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 1e9),
    system: `${type()} ${release()} ${process.arch}`,
    ...timeSyncs(),
    load: loadavg()[0] ?? 0,
  };
}

function timeSyncs(): Pick<Machine, 'syncP50Ms' | 'syncP99Ms'> {
  const folder = mkdtempSync(join(tmpdir(), 'malote-bench-'));
  const file = openSync(join(folder, 'sync'), 'w');
  const histogram = createHistogram();
  const page = Buffer.alloc(4_096, 1);
  try {
    for (let index = 0; index < syncs; index++) {
      writeSync(file, page);
      const before = performance.now();
      fdatasyncSync(file);
      histogram.record(Math.max(1, Math.round((performance.now() - before) * 1e6)));
    }
  } finally {
    closeSync(file);
    rmSync(folder, { recursive: true, force: true });
  }
  return { syncP50Ms: histogram.percentile(50) / 1e6, syncP99Ms: histogram.percentile(99) / 1e6 };
}
