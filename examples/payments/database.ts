/**
 * The business tables, in the same SQLite file as the messages: that is what lets a row and its
 * message be written in one transaction.
 */
import { DatabaseSync } from 'node:sqlite';

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

export interface Database {
  /** Runs one piece of work at a time: a connection has one transaction, and requests overlap. */
  transaction<Result>(work: (tx: DatabaseSync) => Promise<Result> | Result): Promise<Result>;
  /** These answer the row that has this id: the given one where it is new. */
  addCustomer(customer: Customer): Added<Customer>;
  addPayment(payment: Payment): Added<Payment>;
  findPayment(id: string): Payment | undefined;
  /** Answers whether this call booked it; a payment is booked once, however often it is asked. */
  book(paymentId: string, customerId: string): boolean;
  isBooked(paymentId: string): boolean;
  close(): void;
}

export interface Added<Row> {
  readonly isNew: boolean;
  readonly row: Row;
}

const tables = `
  create table if not exists customers(
    id text primary key, email text not null, name text not null
  ) strict;
  create table if not exists payments(
    sequence integer primary key autoincrement, id text not null unique,
    customerId text not null, amount text not null, currency text not null
  ) strict;
  create table if not exists bookings(
    sequence integer primary key autoincrement, paymentId text not null unique,
    customerId text not null
  ) strict;
`;

export function openDatabase(path: string): Database {
  const connection = new DatabaseSync(path, { timeout: 5_000 });
  connection.exec(tables);
  const insertCustomer = connection.prepare(
    'insert into customers(id, email, name) values ($id, $email, $name) on conflict do nothing',
  );
  const selectCustomer = connection.prepare('select id, email, name from customers where id = ?');
  const insertPayment = connection.prepare(
    `insert into payments(id, customerId, amount, currency)
     values ($id, $customerId, $amount, $currency) on conflict do nothing`,
  );
  const selectPayment = connection.prepare(
    'select id, customerId, amount, currency from payments where id = ?',
  );
  const insertBooking = connection.prepare(
    'insert into bookings(paymentId, customerId) values (?, ?) on conflict do nothing',
  );
  const selectBooking = connection.prepare('select 1 from bookings where paymentId = ?');

  let last: Promise<unknown> = Promise.resolve();

  return {
    transaction(work) {
      const result = last.then(() => inTransaction(connection, work));
      last = result.catch(() => {});
      return result;
    },
    addCustomer(customer) {
      const isNew = insertCustomer.run({ ...customer }).changes === 1;
      return { isNew, row: selectCustomer.get(customer.id) as unknown as Customer };
    },
    addPayment(payment) {
      const isNew = insertPayment.run({ ...payment }).changes === 1;
      return { isNew, row: selectPayment.get(payment.id) as unknown as Payment };
    },
    findPayment: (id) => selectPayment.get(id) as unknown as Payment | undefined,
    book: (paymentId, customerId) => insertBooking.run(paymentId, customerId).changes === 1,
    isBooked: (paymentId) => selectBooking.get(paymentId) !== undefined,
    close: () => connection.close(),
  };
}

async function inTransaction<Result>(
  connection: DatabaseSync,
  work: (tx: DatabaseSync) => Promise<Result> | Result,
): Promise<Result> {
  connection.exec('begin immediate');
  try {
    const result = await work(connection);
    connection.exec('commit');
    return result;
  } catch (error) {
    if (connection.isTransaction) connection.exec('rollback');
    throw error;
  }
}
