/** A payment waits for its customer, survives a crash, and is booked once. */
import { dependency, message } from 'malote';
import type { Bus } from 'malote';
import { testBus } from 'malote/testing';
import { expect, test } from 'vitest';

const customer = dependency('customer');
const CustomerRegistered = message<{ customerId: string }>('customer.registered');
const PaymentRequested = message<{ paymentId: string; customerId: string }>('payment.requested', {
  waitFor: (payment) => customer(payment.customerId),
});

/** The application: it adds its consumers to whatever bus it is given. */
function useLedger(bus: Bus, booked: Set<string>, calls: string[]): void {
  const provides = ({ customerId }: { customerId: string }) => customer(customerId);
  bus.consume(CustomerRegistered, { name: 'crm', provides }, () => {});
  bus.consume(PaymentRequested, { name: 'ledger' }, ({ data }) => {
    calls.push(data.paymentId);
    booked.add(data.paymentId);
  });
}

test('a payment waits for its customer, and a crash after its booking books it once', async () => {
  const booked = new Set<string>();
  const calls: string[] = [];
  await using bus = await testBus({ use: (given) => useLedger(given, booked, calls), seed: 7 });

  const { id } = await bus.publish(PaymentRequested, { paymentId: 'p-1', customerId: 'c-1' });
  await bus.settle();
  expect(await bus.waitingFor(customer('c-1'))).toEqual([id]);

  await bus.clock.advance('1h');
  expect(calls).toEqual([]);

  bus.faults.crash('after-handler', PaymentRequested).once();
  await bus.publish(CustomerRegistered, { customerId: 'c-1' });
  await bus.settle();

  expect(bus.faults.armed).toEqual([]);
  expect(calls).toEqual(['p-1', 'p-1']);
  expect([...booked]).toEqual(['p-1']);
  expect(bus.timeline({ id }).at(-1)?.kind).toBe('acked');
});
