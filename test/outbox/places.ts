/** Buses over files of their own, with business rows in the store's file. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Bus, createBus } from 'malote';
import { sqlite, type SqliteTransaction } from 'malote/sqlite';

export const quiet = { handleSignals: false, logger: false } as const;
/** What an outbox says in which nothing is left. */
export const none = { waiting: 0, oldestAt: null, dead: 0, blockedKeys: [] };
let places = 0;

/** A bill of an order that is not there is refused by the commit, and not before. */
export const bills = `
  create table bills (
    sequence integer primary key,
    n integer not null references orders deferrable initially deferred
  )`;

export interface Place {
  readonly name: string;
  readonly store: string;
  readonly engine: string;
  /** A connection of the application to the store's file. */
  readonly db: DatabaseSync;
  make(options?: { relay?: boolean; lease?: number }): Bus<SqliteTransaction>;
  /** Rows that effects have written, in their order. */
  effects(): string[];
}

/** @param shape - `apart`: messages in a file of their own */
export function placeIn(folder: string, shape: 'apart' | 'together' = 'apart'): Place {
  places += 1;
  const name = `outbox-${places}`;
  const store = join(folder, `${name}-store.db`);
  const engine = shape === 'together' ? store : join(folder, `${name}-engine.db`);
  const db = new DatabaseSync(store);
  db.exec('create table orders (n integer primary key)');
  db.exec('create table effect (sequence integer primary key, what text)');
  db.exec(bills);
  const make: Place['make'] = (options = {}) =>
    createBus({ engine: sqlite(engine), store: sqlite(store), name, ...quiet, ...options });
  const effects = (): string[] =>
    db
      .prepare('select what from effect order by sequence')
      .all()
      .map(({ what }) => String(what));
  return { name, store, engine, db, make, effects };
}
