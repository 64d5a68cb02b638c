/** The package better-sqlite3 as a user of malote has it, where it is installed. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import type { BetterSqlite3Transaction } from 'malote/sqlite';
import { describe, test } from 'vitest';
import { testEngine } from './environment.ts';

export interface BetterSqlite3Database extends BetterSqlite3Transaction {
  readonly open: boolean;
  /** Runs a function inside a transaction. */
  transaction(run: () => void): () => void;
  close(): unknown;
}

export type BetterSqlite3 = new (path: string) => BetterSqlite3Database;

const require = createRequire(import.meta.url);
const name = 'better-sqlite3';

/** Runs tests with the package; where it is missing says how to get it. */
export function overBetterSqlite3(define: (Database: BetterSqlite3) => void): void {
  const Database = load();
  const isThere = testEngine(name, Database !== null, 'npm ci');
  describe.runIf(isThere)(`with ${name}`, () => {
    if (Database === null) missing();
    else define(Database);
  });
}

function missing(): void {
  test('all of them', () => assert.fail('the package is not there'));
}

function load(): BetterSqlite3 | null {
  try {
    return require(name) as BetterSqlite3;
  } catch {
    return null;
  }
}

/** The package once more, as when two versions of it are installed. */
export function anotherCopy(): BetterSqlite3 {
  const known = Object.keys(require.cache).filter((file) => file.includes(`/${name}/lib/`));
  const before = known.map((file) => [file, require.cache[file]] as const);
  for (const file of known) delete require.cache[file];
  try {
    return require(name) as BetterSqlite3;
  } finally {
    for (const [file, module] of before) require.cache[file] = module;
  }
}
