/** What the service says once it listens: commands to try, with ids of their own on every start. */
import { randomUUID } from 'node:crypto';
import { isOnRabbitmq } from '../engine.ts';
import type { Settings } from './settings.ts';

export function welcome(url: string, settings: Settings): void {
  const id = randomUUID().slice(0, 4);
  const payment = { id: `p-${id}`, customerId: `c-${id}`, amount: '10.00', currency: 'USD' };
  const registration = { id: `c-${id}`, email: 'ana@example.com', name: 'Ana' };
  const post = (to: string, body: object): string =>
    `curl -X POST -H 'Content-Type: application/json' -d '${JSON.stringify(body)}' ${url}/${to}`;
  const { store, engine, namespace } = settings;
  const rows = placeOf(store);
  const messages = placeOf(engine) + (isOnRabbitmq(engine) ? `, namespace ${namespace}` : '');
  console.log(`payments listens on ${url}, its rows are in ${rows}, its messages in ${messages}.
Try a payment before its customer:

  ${post('payments', payment)}
  curl ${url}/payments/${payment.id}        # waiting

  ${post('customers', registration)}
  curl ${url}/payments/${payment.id}        # booked
`);
}

/** A path, or an address without its password. */
function placeOf(name: string): string {
  return name.replace(/^sqlite:/, '').replace(/\/\/.*@/, '//');
}
