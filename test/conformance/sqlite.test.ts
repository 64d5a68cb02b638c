/** The SQLite engine keeps every promise it makes, over real files, several connections to each. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sqlite } from 'malote/sqlite';
import { runConformance } from 'malote/testing';
import { test } from 'vitest';
import { begin } from './caller.ts';
import { seeds } from './seeds.ts';

runConformance({
  engine() {
    const folder = mkdtempSync(join(tmpdir(), 'malote-sqlite-'));
    const file = join(folder, 'malote.db');
    return {
      make: () => sqlite(file),
      begin: () => begin(file),
      remove: () => rmSync(folder, { recursive: true }),
    };
  },
  test,
  seeds,
});
