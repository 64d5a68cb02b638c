/** The SQLite engine keeps the same promises on the library of the package better-sqlite3. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sqlite } from 'malote/sqlite';
import { runConformance } from 'malote/testing';
import { test } from 'vitest';
import { overBetterSqlite3 } from '../support/better-sqlite3.ts';
import { beginOn } from './caller.ts';
import { seeds } from './seeds.ts';

overBetterSqlite3((Database) => {
  runConformance({
    engine() {
      const folder = mkdtempSync(join(tmpdir(), 'malote-better-sqlite3-'));
      const file = join(folder, 'malote.db');
      return {
        make: () => sqlite(file, { driver: 'better-sqlite3' }),
        begin: () => beginOn(new Database(file)),
        remove: () => rmSync(folder, { recursive: true }),
      };
    },
    test,
    seeds,
  });
});
