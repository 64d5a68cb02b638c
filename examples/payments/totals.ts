/**
 * Sums that are kept as payments are booked, in the booking's own transaction: right over all
 * processes, and read without counting. One row per customer, one per second of the last minute.
 */
import type { SqliteTransaction } from 'malote/sqlite';
import type { Booking } from './database.ts';
import { centsOf, textOf } from './money.ts';

export interface Materialized {
  /** Payments that were booked, ever. */
  readonly total: number;
  /** Booked in the last 60 seconds. */
  readonly perMinute: number;
  /** The mean of the last 60 seconds. */
  readonly perSecond: number;
  /** Whose payments are worth most, ten at most. */
  readonly topCustomers: readonly {
    readonly customerId: string;
    readonly count: number;
    readonly amountEur: string;
  }[];
}

export const totalsTables = `
  create table if not exists totals(
    customerId text primary key, count integer not null, cents integer not null
  ) strict;
  create index if not exists totalsByCents on totals(cents);
  create table if not exists seconds(second integer primary key, count integer not null) strict;
`;

/** The sum of all customers is a row like theirs; no customer has an empty id. */
const everybody = '';
const windowSeconds = 60;
const most = 10;

const addTotal = `
  insert into totals(customerId, count, cents) values (?, 1, ?)
  on conflict do update set count = count + 1, cents = cents + excluded.cents`;
const addSecond = `
  insert into seconds(second, count) values (?, 1) on conflict do update set count = count + 1`;

export function addToTotals(
  tx: SqliteTransaction,
  { customerId, amountEur }: Booking,
  nowMs: number,
): void {
  const second = Math.floor(nowMs / 1_000);
  const add = tx.prepare(addTotal);
  add.run(customerId, centsOf(amountEur));
  add.run(everybody, 0);
  tx.prepare(addSecond).run(second);
  tx.prepare('delete from seconds where second <= ?').run(second - windowSeconds);
}

type Reader = Pick<SqliteTransaction, 'prepare'>;

export function readTotals(db: Reader, nowMs: number): Materialized {
  const read = (sql: string, ...values: (string | number)[]): Record<string, unknown>[] =>
    db.prepare(sql).all(...values) as never;
  const since = Math.floor(nowMs / 1_000) - windowSeconds;
  const [total] = read('select count from totals where customerId = ?', everybody);
  const [recent] = read('select total(count) as count from seconds where second > ?', since);
  // As text: cents of years may be more than a JavaScript number holds.
  const top = read(
    `select customerId, count, cast(cents as text) as cents from totals
     where customerId <> ? order by totals.cents desc limit ?`,
    everybody,
    most,
  );
  const perMinute = Number(recent?.['count'] ?? 0);
  return {
    total: Number(total?.['count'] ?? 0),
    perMinute,
    perSecond: Math.round((perMinute / windowSeconds) * 100) / 100,
    topCustomers: top.map(({ customerId, count, cents }) => ({
      customerId: String(customerId),
      count: Number(count),
      amountEur: textOf(BigInt(String(cents))),
    })),
  };
}
