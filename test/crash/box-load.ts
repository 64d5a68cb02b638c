/** What the processes of a box campaign share: files, tables, messages and how long a lease is. */
import { DatabaseSync } from 'node:sqlite';
import { type Bus, createBus, message, type MessageType } from 'malote';
import { sqlite, type SqliteTransaction } from 'malote/sqlite';
import type { ChildSetup } from './child.ts';

export interface BoxSetup extends Omit<ChildSetup, 'engine'> {
  /** The file of the engine. */
  readonly file: string;
  /** Where the business rows are; the engine's own file where there is no relay. */
  readonly store: string;
}

export interface Order {
  readonly label: string;
  readonly key: string | null;
}

type OrderType = MessageType<string, Order, Order>;

const ordered = { orderBy: ({ key, label }: Order): string => key ?? label };
export const orderPlaced: OrderType = message<Order>('order.placed', ordered);
export const orderBooked: OrderType = message<Order>('order.booked', ordered);

export const subscriptions: readonly { readonly name: string; readonly type: OrderType }[] = [
  { name: 'ledger', type: orderPlaced },
  { name: 'reader', type: orderBooked },
];

export const leaseMs = 300;
export const keys: readonly string[] = Array.from({ length: 12 }, (_, index) => `key ${index}`);

export function boxBus(
  { file, store, name }: Pick<BoxSetup, 'file' | 'store' | 'name'>,
  relay: boolean,
): Bus<SqliteTransaction> {
  const common = { name, lease: leaseMs, logger: false } as const;
  return createBus({ engine: sqlite(file), store: sqlite(store), relay, ...common });
}

/** A connection of the application. It waits for others, as applications do. */
export function connect(store: string): DatabaseSync {
  return new DatabaseSync(store, { timeout: 10_000 });
}

export function createTables(db: DatabaseSync): void {
  db.exec(`
    create table business (sequence integer primary key autoincrement, label text, key text);
    create table effect (
      sequence integer primary key autoincrement,
      subscription text, label text, key text, token integer, process text
    );
  `);
}
