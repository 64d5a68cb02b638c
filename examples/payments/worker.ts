/** The consumers: customers are registered, and each customer's payments are booked in order. */
import type { DatabaseSync } from 'node:sqlite';
import { setTimeout } from 'node:timers/promises';
import { type Bus, exponential } from 'malote';
import type { Database } from './database.ts';
import { CustomerRegistered, customer, type PaymentData, PaymentRequested } from './messages.ts';
import { ledger } from './status.ts';

class CardDeclined extends Error {}

export function consume(bus: Bus<DatabaseSync>, database: Database): void {
  bus.consume(
    CustomerRegistered,
    { name: 'crm', provides: ({ customerId }) => customer(customerId) },
    (msg) => console.log(`Handling [${msg.type}] - Payload: ${JSON.stringify(msg.data)}`),
  );

  bus.consume(
    PaymentRequested,
    {
      name: ledger,
      concurrency: 16,
      timeout: '30s',
      retry: {
        attempts: 8,
        backoff: exponential('50ms', { max: '1s', jitter: 'full' }),
        giveUpOn: [CardDeclined],
      },
    },
    async ({ data }, { signal }) => {
      await chargeCard(data, signal);
      const { paymentId, customerId, amount, currency } = data;
      // A message can come twice; its payment is booked by the first.
      const isNew = await database.transaction(() => database.book(paymentId, customerId));
      if (!isNew) return;
      console.log(`Booked ${paymentId} of customer ${customerId}: ${amount} ${currency}`);
    },
  );
}

/** Stands in for a card processor: takes a moment, and declines every amount that ends in .13. */
async function chargeCard({ amount, currency }: PaymentData, signal: AbortSignal): Promise<void> {
  await setTimeout(Math.random() * 20, undefined, { signal });
  if (!amount.endsWith('.13')) return;
  throw new CardDeclined(`the card was declined: ${amount} ${currency}`);
}
