/**
 * The driver: which SQLite library works on the file. One library serves a whole process, since
 * locks of a file belong to the process, and two libraries in it do not see each other's
 * (https://sqlite.org/howtocorrupt.html). So every connection comes from here: malote's own, the
 * checkpoint worker's, and those of the caller, which are asked whose they are.
 *
 * A connection has the face of node:sqlite; another library is dressed as that, in a file of its
 * own.
 */

import type { BetterSqlite3Transaction, SqliteStatement, SqliteTransaction } from './connection.ts';

export const driverNames = ['node:sqlite', 'better-sqlite3'] as const;
export type DriverName = (typeof driverNames)[number];

/** What callers begin transactions on, and are given to work with. */
export type CallerTransaction = SqliteTransaction | BetterSqlite3Transaction;

export interface Connection extends SqliteTransaction {
  prepare(sql: string): ConnectionStatement;
  close(): void;
}

export interface ConnectionStatement extends SqliteStatement {
  setReturnArrays(enabled: boolean): void;
  setReadBigInts(enabled: boolean): void;
}

export interface OpenConnectionOptions {
  /** How long a statement waits for a lock, until `pragma busy_timeout` says otherwise. */
  readonly timeoutMs: number;
  /** `never`: a file that is gone is not made anew. */
  readonly create: 'if-missing' | 'never';
}

export interface Driver {
  readonly name: DriverName;
  open(path: string, options: OpenConnectionOptions): Connection;
  /** A connection of the caller, dressed; null where it is none of this library. */
  adopt(tx: object): Connection | null;
  /** What looks to functions of the caller like a connection of this library. */
  undress(tx: SqliteTransaction): CallerTransaction;
  /** What a version of SQLite that is too old is to be replaced with. */
  readonly cure: string;
}
