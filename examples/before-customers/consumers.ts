/** Three consumers: of registrations, of payments as they arrive, and of payments to process. */
import { type Bus, linear } from 'malote';
import { arrival, CustomerRegistered, customer, PaymentRequested } from './messages.ts';
import { isRegistered, remember } from './registry.ts';

/** Customers that were said to be registered: none of them is called unknown after that. */
const announced = new Set<string>();

export function consumeRegistrations(bus: Bus): void {
  bus.consume(
    CustomerRegistered,
    { name: 'customers', provides: ({ customerId }) => customer(customerId) },
    ({ data: { customerId } }) => {
      remember(customerId);
      announced.add(customerId);
      console.log(`Customer ${customerId} is registered.`);
    },
  );
}

/**
 * Sees every payment as it comes, waiting or not: each subscription has its own copy. What it
 * provides keeps a payment from being processed before it is said to have arrived.
 */
export function consumeArrivals(bus: Bus, { delay }: { readonly delay: boolean }): void {
  bus.consume(
    PaymentRequested,
    { name: 'arrivals', waitFor: false, provides: ({ paymentId }) => arrival(paymentId) },
    async ({ data: { paymentId, customerId } }) => {
      if (delay) return;
      const held = { subscription: 'payments', for: customer(customerId), limit: 1 };
      const { items } = await bus.waiting.list(held);
      // What was published before the consumer began is taken up all at once: the registration may
      // have been told by now, and open to the payment only in a moment.
      const isUnknown = items.length > 0 && !announced.has(customerId);
      const fate = isUnknown ? '; the customer is unknown, so it waits' : '';
      console.log(`Payment ${paymentId} of customer ${customerId} arrived${fate}.`);
    },
  );
}

/** Called once the customer is registered, whichever of the two messages came first. */
export function consumePayments(bus: Bus): void {
  bus.consume(PaymentRequested, { name: 'payments' }, ({ data }) => {
    console.log(`Payment ${data.paymentId} of customer ${data.customerId} is processed.`);
  });
}

class CustomerUnknown extends Error {}

/** The same by polling: called at once, and again after 1 s, 2 s, 3 s ... */
export function consumePaymentsByDelays(bus: Bus): void {
  bus.consume(
    PaymentRequested,
    { name: 'payments', waitFor: false, retry: { attempts: 1_000, backoff: linear('1s') } },
    ({ data: { paymentId, customerId } }, { attempt }) => {
      const payment = `Payment ${paymentId} of customer ${customerId}`;
      if (attempt === 1) console.log(`${payment} arrived.`);
      if (!isRegistered(customerId)) {
        console.log(`${payment}: no such customer at attempt ${attempt}; again in ${attempt} s.`);
        throw new CustomerUnknown(`customer ${customerId} is not registered`);
      }
      console.log(`${payment} is processed at attempt ${attempt}.`);
    },
  );
}
