/**
 * The consumers: customers are registered, and each customer's payments are booked in order, in
 * euro.
 */
import { type Bus, type Duration, exponential, MaloteError } from 'malote';
import type { SqliteTransaction } from 'malote/sqlite';
import { CardDeclined, chargeCard } from './cards.ts';
import type { Database } from './database.ts';
import { type Exchange, UnknownCurrency } from './exchange.ts';
import { CustomerRegistered, customer, PaymentRequested } from './messages.ts';
import { crm, ledger } from './status.ts';

export interface WorkerOptions {
  readonly bus: Bus<SqliteTransaction>;
  readonly database: Pick<Database, 'book'>;
  readonly exchange: Exchange;
  /** How long a payment waits for its customer. */
  readonly deadline: Duration;
}

export function consume({ bus, database, exchange, deadline }: WorkerOptions): void {
  bus.consume(
    CustomerRegistered,
    { name: crm, provides: ({ customerId }) => customer(customerId) },
    (msg) => console.log(`Handling [${msg.type}] - Payload: ${JSON.stringify(msg.data)}`),
  );

  bus.consume(
    PaymentRequested,
    {
      name: ledger,
      inbox: true,
      concurrency: 16,
      timeout: '30s',
      waiting: { deadline },
      retry: {
        attempts: 8,
        backoff: exponential('50ms', { max: '1s', jitter: 'full' }),
        giveUpOn: [CardDeclined, UnknownCurrency],
      },
    },
    async ({ data }, ctx) => {
      const { paymentId, customerId, amount, currency } = data;
      const amountEur = await exchange
        .toEur(amount, currency, ctx.signal)
        .catch((error: unknown) => {
          // No payment is at fault, so none spends an attempt while there are no rates.
          if (error instanceof MaloteError && error.code === 'CACHE_LOAD_FAILED') ctx.release('1s');
          throw error;
        });
      await chargeCard(data, ctx);
      // A message can come twice, its transaction happens once; the message is done with it.
      await ctx.transaction(({ tx }) => database.book(tx, { paymentId, customerId, amountEur }));
      console.log(`Booked ${paymentId} of customer ${customerId}: ${amount} ${currency}`);
    },
  );
}
