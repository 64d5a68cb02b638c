/**
 * A worker over RabbitMQ with a store beside it: customers that it registers open the facts that
 * payments wait for. It tells of each payment, and is killed from outside.
 */
import { createBus, dependency, message } from 'malote';
import { rabbitmq } from 'malote/rabbitmq';
import { sqlite } from 'malote/sqlite';
import { dieWithParent, setupOf, tellParent } from '../crash/child.ts';

export interface LedgerSetup {
  readonly url: string;
  readonly namespace: string;
  readonly store: string;
}

export const customer = dependency('customer');
export const Registered = message<{ readonly customerId: string }>('registered', {
  orderBy: ({ customerId }) => customerId,
});
export const Paid = message<{ readonly customerId: string; readonly n: number }>('paid', {
  orderBy: ({ customerId }) => customerId,
  waitFor: ({ customerId }) => customer(customerId),
});

/** The supervisor imports what is above. */
if (process.argv[2] !== undefined && process.send !== undefined) await main();

async function main(): Promise<void> {
  const { url, namespace, store } = setupOf() as LedgerSetup;
  dieWithParent();
  const engine = rabbitmq(url, { namespace, partitions: 2, heartbeat: '1s' });
  const bus = createBus({ engine, store: sqlite(store), logger: false });
  const provides = ({ customerId }: { readonly customerId: string }) => customer(customerId);
  bus.consume(Registered, { name: 'crm', provides }, () => {});
  bus.consume(Paid, { name: 'ledger' }, ({ data: { customerId, n } }) => {
    tellParent({ kind: 'paid', label: `${customerId} ${n}` });
  });
  await bus.start();
  tellParent({ kind: 'started' });
}
