/**
 * A worker of payments before customers: two queues on RabbitMQ alone, no database. It writes down
 * when it begins and ends each of both.
 */
import { createBus, dependency, type HandlerContext, message, type MessageType } from 'malote';
import { engineAt } from '../crash/arena.ts';
import { type ChildSetup, dieWithParent, setupOf, tellParent } from '../crash/child.ts';
import { now, openHistory } from '../crash/history.ts';

export interface Customer {
  readonly customer: string;
}

const registered = dependency('customer');

export const CustomerRegistered: MessageType<string, Customer, Customer> = message<Customer>(
  'customer.registered',
  { orderBy: ({ customer }) => customer },
);

export const PaymentRequested: MessageType<string, Customer, Customer> = message<Customer>(
  'payment.requested',
  { orderBy: ({ customer }) => customer, waitFor: ({ customer }) => registered(customer) },
);

/** The supervisor imports what is above. */
if (process.argv[2] !== undefined && process.send !== undefined) await main();

async function main(): Promise<void> {
  const { engine, name, histories } = setupOf() as ChildSetup;
  const write = openHistory(histories, name);
  const bus = createBus({ engine: engineAt(engine), logger: false });
  const handle = (subscription: string, label: string, { id, attempt }: HandlerContext): void => {
    const about = { subscription, label, id, attempt };
    write({ f: 'start', at: now(), ...about, stagedBy: null });
    write({ f: 'end', at: now(), ...about });
  };
  dieWithParent();
  bus.consume(
    CustomerRegistered,
    { name: 'customers', provides: ({ customer }) => registered(customer) },
    ({ data }, context) => handle('customers', data.customer, context),
  );
  bus.consume(PaymentRequested, { name: 'payments' }, ({ data }, context) =>
    handle('payments', data.customer, context),
  );
  await bus.start();
  tellParent({ kind: 'up' });
}
