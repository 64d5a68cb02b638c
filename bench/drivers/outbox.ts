/**
 * A standing outbox, and what moves it; a standing subscription, and what has its effects. Each
 * answers what it has done so far, so that a program can measure any stretch of it.
 */

import { DatabaseSync } from 'node:sqlite';
import { type Bus, createBus, message } from 'malote';
import { sqlite, type SqliteTransaction } from 'malote/sqlite';
import { keyName, makeOrder, type Order } from '../load.ts';
import type { OutboxSettings } from '../scenario.ts';

export interface OutboxDriver {
  /** Begins; resolves once everything is done. */
  work(): Promise<void>;
  /** Rows that are confirmed, or effects that are in the file. */
  done(): number;
  close(): Promise<void>;
}

export interface OutboxDriverOptions {
  readonly settings: OutboxSettings;
  readonly messages: number;
  readonly engine: string;
  readonly store: string;
}

const keyCount = 10_000;
const fillBatch = 5_000;
const effectSlots = 1_000;
const Placed = message<Order>('order.placed', { orderBy: ({ key }) => key });

function orderOf(n: number): Order {
  return makeOrder(n, keyName('k', (n * 7_919) % keyCount));
}

export async function openOutbox(options: OutboxDriverOptions): Promise<OutboxDriver> {
  const { driver, work } = options.settings;
  if (driver === 'bare') return work === 'relay' ? bareRelay(options) : bareEffects(options);
  return await (work === 'relay' ? openRelay(options) : openEffects(options));
}

type Storing = Bus<SqliteTransaction>;

/** Publishes everything in transactions on the store. */
async function fill(bus: Storing, store: string, messages: number): Promise<void> {
  const db = new DatabaseSync(store, { timeout: 10_000 });
  for (let from = 0; from < messages; from += fillBatch) {
    db.exec('begin immediate');
    for (let n = from; n < Math.min(messages, from + fillBatch); n++) {
      void bus.publish(Placed, orderOf(n), { tx: db });
    }
    db.exec('commit');
  }
  db.close();
}

async function openRelay({ engine, store, messages }: OutboxDriverOptions): Promise<OutboxDriver> {
  const common = { logger: false, handleSignals: false } as const;
  const make = (relay: boolean): Storing =>
    createBus({ engine: sqlite(engine), store: sqlite(store), relay, ...common });
  const filling = make(false);
  await filling.subscribe('orders', Placed);
  await filling.start();
  await fill(filling, store, messages);
  await filling.stop();
  const bus = make(true);
  let relayed = 0;
  return {
    async work() {
      await bus.start();
      while (relayed < messages) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        ({ relayed } = await bus.outbox.stats());
      }
      const { depth } = await bus.subscriptions.stats('orders');
      if (depth !== messages) throw new Error(`the target holds ${depth} of ${messages}`);
    },
    done: () => relayed,
    close: () => bus.stop(),
  };
}

async function openEffects(options: OutboxDriverOptions): Promise<OutboxDriver> {
  const { settings, engine, store, messages } = options;
  const isApart = settings.work === 'effects-apart';
  const common = { logger: false, handleSignals: false, relay: false } as const;
  const database = sqlite(isApart ? store : engine);
  const make = (): Storing => createBus({ engine: sqlite(engine), store: database, ...common });
  const rows = new DatabaseSync(isApart ? store : engine);
  rows.exec('create table effect (id integer primary key, n integer, key text)');
  const filling = make();
  await filling.subscribe('ledger', Placed);
  for (let from = 0; from < messages; from += 1_000) {
    const orders = Array.from({ length: 1_000 }, (_, index) => orderOf(from + index));
    await filling.publishMany(Placed, orders);
  }
  await filling.stop();
  const bus = make();
  let done = 0;
  let finished = (): void => {};
  const inbox = { name: 'ledger', concurrency: effectSlots, inbox: true } as const;
  bus.consume(Placed, inbox, async ({ data }, ctx) => {
    await ctx.transaction(
      ({ tx }) =>
        void tx.prepare('insert into effect (n, key) values (?, ?)').run(data.n, data.key),
    );
    done += 1;
    if (done === messages) finished();
  });
  return {
    async work() {
      const all = new Promise<void>((resolve) => (finished = resolve));
      await bus.start();
      await all;
      requireEffects(rows, messages);
    },
    done: () => done,
    async close() {
      await bus.stop();
      rows.close();
    },
  };
}

function requireEffects(db: DatabaseSync, messages: number): void {
  const found = db.prepare('select count(distinct n) as n, count(*) as all_ from effect').get();
  const { n, all_: all } = found as { readonly n: number; readonly all_: number };
  if (n !== messages || all !== messages) throw new Error(`${n} effects in ${all} rows`);
}

function openBare(file: string): DatabaseSync {
  const db = new DatabaseSync(file);
  db.exec(`
    pragma journal_mode = wal; pragma synchronous = full;
    create table message (id integer primary key, name text, key text, body text);
  `);
  return db;
}

function fillBare(db: DatabaseSync, messages: number): void {
  const insert = db.prepare('insert into message (name, key, body) values (?, ?, ?)');
  db.exec('begin');
  for (let n = 0; n < messages; n++) {
    const order = orderOf(n);
    insert.run(`id-${n}`, order.key, JSON.stringify(order));
  }
  db.exec('commit');
}

const bareBatch = 1_000;

/** The least a relay can do: read a batch, store it in the target, remove it from the source. */
function bareRelay({ engine, store, messages }: OutboxDriverOptions): OutboxDriver {
  const source = openBare(store);
  const target = openBare(engine);
  fillBare(source, messages);
  const select = source.prepare('select id, name, key, body from message order by id limit 0 + ?');
  const insert = target.prepare('insert into message (name, key, body) values (?, ?, ?)');
  const remove = source.prepare('delete from message where id between ? and ?');
  let done = 0;
  return {
    async work() {
      while (done < messages) {
        const rows = select.all(bareBatch) as {
          id: number;
          name: string;
          key: string;
          body: string;
        }[];
        target.exec('begin immediate');
        for (const { name, key, body } of rows) insert.run(name, key, body);
        target.exec('commit');
        remove.run(rows[0]!.id, rows.at(-1)!.id);
        done += rows.length;
        await new Promise(setImmediate);
      }
    },
    done: () => done,
    async close() {
      source.close();
      target.close();
    },
  };
}

/** The least an inbox can do: per message a savepoint, a receipt and the row; one commit. */
function bareEffects({ engine, messages }: OutboxDriverOptions): OutboxDriver {
  const db = openBare(engine);
  db.exec(`
    create table effect (id integer primary key, n integer, key text);
    create table receipt (name text primary key, at integer) without rowid;
  `);
  fillBare(db, messages);
  const select = db.prepare(
    'select id, name, body from message where id > ? order by id limit 0 + ?',
  );
  const steps = ['savepoint one', 'release one'].map((sql) => db.prepare(sql));
  const receipt = db.prepare('insert into receipt values (?, ?)');
  const effect = db.prepare('insert into effect (n, key) values (?, ?)');
  const remove = db.prepare('delete from message where id between ? and ?');
  let done = 0;
  return {
    async work() {
      while (done < messages) {
        db.exec('begin immediate');
        const rows = select.all(done, bareBatch) as { id: number; name: string; body: string }[];
        for (const { name, body } of rows) {
          const { n, key } = JSON.parse(body) as Order;
          steps[0]!.run();
          receipt.run(name, Date.now());
          effect.run(n, key);
          steps[1]!.run();
        }
        remove.run(rows[0]!.id, rows.at(-1)!.id);
        db.exec('commit');
        done += rows.length;
        await new Promise(setImmediate);
      }
      requireEffects(db, messages);
    },
    done: () => done,
    close: async () => db.close(),
  };
}
