/**
 * The business tables, in the file of the store: that is what lets a row and its message be
 * written in one transaction, and a booking and the end of its message in another.
 */
import { DatabaseSync } from 'node:sqlite';
import type { SqliteTransaction } from 'malote/sqlite';
import { addToTotals, type Materialized, readTotals, totalsTables } from './totals.ts';

export interface Customer {
  readonly id: string;
  readonly email: string;
  readonly name: string;
}

export interface Payment {
  readonly id: string;
  readonly customerId: string;
  readonly amount: string;
  readonly currency: string;
}

export interface Booking {
  readonly paymentId: string;
  readonly customerId: string;
  readonly amountEur: string;
}

/** What writes is given the transaction that it is a part of. */
export interface Database {
  /** These answer the row that has this id: the given one where it is new. */
  addCustomer(tx: SqliteTransaction, customer: Customer): Added<Customer>;
  addPayment(tx: SqliteTransaction, payment: Payment): Added<Payment>;
  /** Whoever calls it sees to it that a payment is booked once. */
  book(tx: SqliteTransaction, booking: Booking): void;
  isRegistered(customerId: string): boolean;
  findPayment(id: string): Payment | undefined;
  findBooking(paymentId: string): Pick<Booking, 'amountEur'> | undefined;
  materialized(): Materialized;
  close(): void;
}

export interface Added<Row> {
  readonly isNew: boolean;
  readonly row: Row;
}

// Bookings are not unique by payment: the inbox keeps a second one out, and the ledger check
// could not see one that a constraint had hidden.
const tables = `
  create table if not exists customers(
    id text primary key, email text not null, name text not null
  ) strict;
  create table if not exists payments(
    sequence integer primary key autoincrement, id text not null unique,
    customerId text not null, amount text not null, currency text not null
  ) strict;
  create table if not exists bookings(
    sequence integer primary key autoincrement, paymentId text not null,
    customerId text not null, amountEur text not null
  ) strict;
  create index if not exists bookingsByPayment on bookings(paymentId);
`;

const insertCustomer =
  'insert into customers(id, email, name) values (?, ?, ?) on conflict do nothing';
const selectCustomer = 'select id, email, name from customers where id = ?';
const insertPayment = `
  insert into payments(id, customerId, amount, currency) values (?, ?, ?, ?)
  on conflict do nothing`;
const selectPayment = 'select id, customerId, amount, currency from payments where id = ?';
const insertBooking = 'insert into bookings(paymentId, customerId, amountEur) values (?, ?, ?)';
const selectBooking = 'select amountEur from bookings where paymentId = ?';

/** @param now - milliseconds */
export function openDatabase(path: string, now: () => number = Date.now): Database {
  const connection = new DatabaseSync(path, { timeout: 5_000 });
  connection.exec(tables + totalsTables);
  const customerById = connection.prepare(selectCustomer);
  const paymentById = connection.prepare(selectPayment);
  const bookingOf = connection.prepare(selectBooking);
  return {
    addCustomer(tx, { id, email, name }) {
      const isNew = tx.prepare(insertCustomer).run(id, email, name).changes === 1;
      return { isNew, row: tx.prepare(selectCustomer).get(id) as Customer };
    },
    addPayment(tx, { id, customerId, amount, currency }) {
      const isNew = tx.prepare(insertPayment).run(id, customerId, amount, currency).changes === 1;
      return { isNew, row: tx.prepare(selectPayment).get(id) as Payment };
    },
    book(tx, booking) {
      tx.prepare(insertBooking).run(booking.paymentId, booking.customerId, booking.amountEur);
      addToTotals(tx, booking, now());
    },
    isRegistered: (customerId) => customerById.get(customerId) !== undefined,
    findPayment: (id) => paymentById.get(id) as unknown as Payment | undefined,
    findBooking: (paymentId) => bookingOf.get(paymentId) as unknown as Booking | undefined,
    materialized: () => readTotals(connection, now()),
    close: () => connection.close(),
  };
}
