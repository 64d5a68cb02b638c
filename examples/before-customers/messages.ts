/**
 * The two messages, and the facts that tie them: a payment waits until its customer is
 * registered, and until its arrival has been told.
 */
import { dependency, message } from 'malote';
import { z } from 'zod';

export const customer = dependency('customer');
export const arrival = dependency('arrival');

export const CustomerRegistered = message('customer.registered', {
  schema: z.object({ customerId: z.string() }),
  orderBy: ({ customerId }) => customerId,
});

export const PaymentRequested = message('payment.requested', {
  schema: z.object({ paymentId: z.string(), customerId: z.string() }),
  orderBy: ({ customerId }) => customerId,
  waitFor: ({ paymentId, customerId }) => [customer(customerId), arrival(paymentId)],
});
