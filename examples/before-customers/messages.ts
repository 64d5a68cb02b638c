/**
 * The two messages, and the fact that ties them: a payment waits until its customer is
 * registered.
 */
import { dependency, message } from 'malote';
import { z } from 'zod';

export const customer = dependency('customer');

export const CustomerRegistered = message('customer.registered', {
  schema: z.object({ customerId: z.string() }),
  orderBy: ({ customerId }) => customerId,
});

export const PaymentRequested = message('payment.requested', {
  schema: z.object({ paymentId: z.string(), customerId: z.string() }),
  orderBy: ({ customerId }) => customerId,
  waitFor: ({ customerId }) => customer(customerId),
});
