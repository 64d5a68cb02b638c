/** What the processes of a box campaign share: where they work, tables, and messages. */
import { DatabaseSync } from 'node:sqlite';
import { type Bus, createBus, message, type MessageType } from 'malote';
import { sqlite, type SqliteTransaction } from 'malote/sqlite';
import { engineAt } from './arena.ts';
import type { CampaignSetup } from './child.ts';

/** Where a box campaign works. */
export interface BoxPlace extends Pick<CampaignSetup, 'engine' | 'leaseMs'> {
  /** The file of the business rows; the engine's own where there is no relay. */
  readonly store: string;
}

export type BoxSetup = BoxPlace & CampaignSetup;

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

export const keys: readonly string[] = Array.from({ length: 12 }, (_, index) => `key ${index}`);

export function boxBus(
  { engine, store, leaseMs, name }: BoxPlace & Pick<BoxSetup, 'name'>,
  relay: boolean,
): Bus<SqliteTransaction> {
  const common = { name, lease: leaseMs, logger: false } as const;
  return createBus({ engine: engineAt(engine), store: sqlite(store), relay, ...common });
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
