/**
 * The SQLite engine keeps every promise when no process can ring another: where its doorbell would
 * hang there is a file. So whatever one process did, the others find by looking.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sqlite } from 'malote/sqlite';
import { runConformance } from 'malote/testing';
import { test } from 'vitest';
import { begin } from './caller.ts';

runConformance({
  engine() {
    const folder = mkdtempSync(join(tmpdir(), 'malote-unrung-'));
    const file = join(folder, 'malote.db');
    writeFileSync(`${file}.bell`, '');
    return {
      make: () => sqlite(file),
      begin: () => begin(file),
      remove: () => rmSync(folder, { recursive: true }),
    };
  },
  test,
  seeds: [1],
  // The death of a process is seen when its lease is over, and what its heir knows is as old.
  patience: { virtualMs: 10_000, realMs: 2_000 },
  report: () => {},
});
