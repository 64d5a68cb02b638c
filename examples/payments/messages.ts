/** The messages of this service, and the fact that ties them: a payment waits for its customer. */
import { type DataOf, dependency, message } from 'malote';
import { z } from 'zod';

export const customer = dependency('customer');

/** What each field may hold, at the door and on the wire. */
export const fields = {
  id: z
    .string()
    .regex(/^[\w.:-]{1,128}$/, 'must be 1 to 128 letters, digits, "_", ".", ":" or "-"'),
  email: z.email('must be an email address').max(254),
  name: z.string().trim().min(1, 'must not be empty').max(200),
  /** Money is decimal text: a float would round it. */
  amount: z
    .string()
    .regex(
      /^(?!0+(\.0+)?$)\d{1,12}(\.\d{1,2})?$/,
      'must be text from "0.01" to "999999999999.99" with at most two decimals, as in "10.00"',
    ),
  currency: z.string().regex(/^[A-Z]{3}$/, 'must be three capital letters, as in "USD"'),
};

export const CustomerRegistered = message('customer.registered', {
  schema: z.object({ customerId: fields.id, email: fields.email, name: fields.name }),
  orderBy: ({ customerId }) => customerId,
});

export const PaymentRequested = message('payment.requested', {
  schema: z.object({
    paymentId: fields.id,
    customerId: fields.id,
    amount: fields.amount,
    currency: fields.currency,
  }),
  orderBy: ({ customerId }) => customerId,
  waitFor: ({ customerId }) => customer(customerId),
});

export type PaymentData = DataOf<typeof PaymentRequested>;
