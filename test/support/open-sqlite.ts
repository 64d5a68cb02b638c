/** One connection to an SQLite file, for tests of a contract behind it. */
import assert from 'node:assert/strict';
import { sqlite } from 'malote/sqlite';
import type { Clock } from '../../src/clock.ts';
import type { Transport } from '../../src/transport/transport.ts';
import type { SqliteTransaction } from '../../src/transports/sqlite/connection.ts';

export function openSqlite(file: string, clock: Clock): Promise<Transport<SqliteTransaction>> {
  return sqlite(file).open({
    clock,
    random: () => 0.5,
    newId: () => 'id',
    process: 'one',
    leaseMs: 10_000,
    journal: 'off',
    keepDoneMs: 0,
    facts: null,
    seal: () => assert.fail('nobody publishes without malote'),
    notify: () => undefined,
    failed: assert.fail,
  });
}
