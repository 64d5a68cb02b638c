/** Connections of the caller, as far as malote uses them. */

export type SqliteValue = null | number | bigint | string | ArrayBufferView;

/** A prepared statement; values are bound by position. */
export interface SqliteStatement {
  run(...values: SqliteValue[]): {
    readonly changes: number | bigint;
    readonly lastInsertRowid: number | bigint;
  };
  get(...values: SqliteValue[]): unknown;
  all(...values: SqliteValue[]): unknown[];
}

/** A connection of node:sqlite: a `DatabaseSync`, or what behaves like one. */
export interface SqliteTransaction {
  readonly isTransaction: boolean;
  location(): string | null;
  exec(sql: string): unknown;
  prepare(sql: string): SqliteStatement;
}

/** A connection of better-sqlite3: its `Database`. */
export interface BetterSqlite3Transaction {
  readonly inTransaction: boolean;
  readonly name: string;
  exec(sql: string): unknown;
  prepare(sql: string): SqliteStatement;
}

/** Whether a transaction is open. One that was closed by the caller is over, whatever it was. */
export function isOpen(tx: SqliteTransaction): boolean {
  try {
    return tx.isTransaction;
  } catch {
    return false;
  }
}
