/** A transaction on an SQLite file as a user of malote begins one: on a connection of their own. */
import { DatabaseSync } from 'node:sqlite';
import type { CallerTransaction } from 'malote/testing';

export function begin(file: string): CallerTransaction {
  const tx = new DatabaseSync(file);
  tx.exec('begin immediate');
  return {
    tx,
    commit: () => tx.exec('commit'),
    rollback: () => tx.exec('rollback'),
    end: () => tx.close(),
  };
}
