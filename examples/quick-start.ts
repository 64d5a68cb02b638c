/**
 * A payment that arrives before its customer waits for it, and is booked once the customer is
 * there.
 */
import { createBus, dependency, message } from 'malote';
import { memory } from 'malote/memory';
import { z } from 'zod';

const customer = dependency('customer');

const CustomerRegistered = message('customer.registered', {
  schema: z.object({ customerId: z.string(), name: z.string() }),
});
const PaymentRequested = message('payment.requested', {
  schema: z.object({ customerId: z.string(), amount: z.string() }),
  orderBy: (payment) => payment.customerId,
  waitFor: (payment) => customer(payment.customerId),
});

const bus = createBus({ engine: memory() });
bus.consume(
  CustomerRegistered,
  { name: 'crm', provides: ({ customerId }) => customer(customerId) },
  ({ data }) => console.log(`registered ${data.name}`),
);
const booked = new Promise<string>((resolve) => {
  bus.consume(PaymentRequested, { name: 'ledger' }, ({ data }) => resolve(data.amount));
});
await bus.start();

const { id } = await bus.publish(PaymentRequested, { customerId: '5', amount: '10.00' });
const [payment] = await bus.messages.get(id);
console.log(`the payment is ${payment?.state} for ${payment?.waitingFor.join()}`);
await bus.publish(CustomerRegistered, { customerId: '5', name: 'Ana' });
console.log(`booked ${await booked}`);
await bus.stop();

// the payment is waiting for customer:5
// registered Ana
// booked 10.00
