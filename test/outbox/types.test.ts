/** Which transactions the compiler takes: those of the driver that the engine was made with. */
import assert from 'node:assert/strict';
import type { DatabaseSync } from 'node:sqlite';
import { type Bus, createBus, message } from 'malote';
import { memory } from 'malote/memory';
import { type BetterSqlite3Transaction, sqlite, type SqliteTransaction } from 'malote/sqlite';
import { test } from 'vitest';

const Placed = message<{ n: number }>('order.placed');
const data = { n: 1 };

/** A client of pg, as far as a transaction goes. */
interface Client {
  query(text: string, values?: readonly unknown[]): Promise<{ readonly rows: unknown[] }>;
  release(): void;
}

/** A Database of better-sqlite3, in the words of its types. */
interface Database {
  readonly inTransaction: boolean;
  readonly name: string;
  readonly open: boolean;
  prepare<Bound extends unknown[]>(source: string): Statement<Bound>;
  exec(source: string): this;
}

interface Statement<Bound extends unknown[]> {
  run(...values: Bound): { changes: number; lastInsertRowid: number | bigint };
  get(...values: Bound): unknown;
  all(...values: Bound): unknown[];
}

/** Never called: it only has to compile. */
export function mistakes(
  node: Bus<SqliteTransaction>,
  better: Bus<BetterSqlite3Transaction>,
  tx: { node: DatabaseSync; better: Database; pg: Client },
): void {
  void node.publish(Placed, data, { tx: tx.node });
  void better.publish(Placed, data, { tx: tx.better });
  // @ts-expect-error better-sqlite3 is another library
  void node.publish(Placed, data, { tx: tx.better });
  // @ts-expect-error node:sqlite is another library
  void better.publish(Placed, data, { tx: tx.node });
  // @ts-expect-error pg is another database
  void node.publish(Placed, data, { tx: tx.pg });
  // @ts-expect-error the same
  void better.publish(Placed, data, { tx: tx.pg });
  // @ts-expect-error no transaction at all
  void node.publish(Placed, data, { tx: null });
  void node.transaction(({ tx: own }) => own.isTransaction);
  // @ts-expect-error that is what better-sqlite3 says
  void node.transaction(({ tx: own }) => own.inTransaction);
  void better.transaction(({ tx: own }) => own.inTransaction);
  // @ts-expect-error that is what node:sqlite says
  void better.transaction(({ tx: own }) => own.isTransaction);
  // @ts-expect-error no such driver
  sqlite('app.db', { driver: 'sqlite3' });
}

test('the options of the engine say what its transactions are', () => {
  const plain = createBus({ engine: sqlite('app.db') });
  const other = createBus({ engine: sqlite('app.db', { driver: 'better-sqlite3' }) });
  const store = createBus({ engine: memory(), store: sqlite('app.db', { durability: 'normal' }) });

  assert.equal(typeof (plain satisfies Bus<SqliteTransaction>).publish, 'function');
  assert.equal(typeof (other satisfies Bus<BetterSqlite3Transaction>).publish, 'function');
  assert.equal(typeof (store satisfies Bus<SqliteTransaction>).publish, 'function');
});
