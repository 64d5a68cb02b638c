/** A transaction on an SQLite file as a user of malote begins one: on a connection of their own. */
import { DatabaseSync } from 'node:sqlite';
import type { CallerTransaction } from 'malote/testing';

export function begin(file: string): CallerTransaction {
  return beginOn(new DatabaseSync(file));
}

export function beginOn(tx: { exec(sql: string): unknown; close(): unknown }): CallerTransaction {
  tx.exec('begin immediate');
  return {
    tx,
    commit: () => void tx.exec('commit'),
    rollback: () => void tx.exec('rollback'),
    end: () => void tx.close(),
  };
}
