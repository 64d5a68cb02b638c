/**
 * Amounts in euro. All rates are one cached value, which one process loads for all; while the rates
 * service is down they stay in use for an hour.
 */
import type { Bus, Duration } from 'malote';
import { z } from 'zod';
import { times } from './money.ts';

export interface Exchange {
  /** Rejects with {@link UnknownCurrency} where there is no rate. */
  toEur(amount: string, currency: string, signal: AbortSignal): Promise<string>;
}

export class UnknownCurrency extends Error {}

const RatesAnswer = z.object({ rates: z.record(z.string(), z.string().regex(/^\d+(\.\d+)?$/)) });

export interface ExchangeOptions {
  /** Of the rates service. */
  readonly url: string;
  /** How long rates are fresh. */
  readonly ttl: Duration;
}

export function createExchange(bus: Bus, { url, ttl }: ExchangeOptions): Exchange {
  const rates = bus.cache('rates', {
    ttl,
    stale: '1h',
    timeout: '10s',
    load: async (_base: string, { signal }) => {
      const answer = await fetch(`${url}/rates`, { signal }).catch((cause: unknown) => {
        const cure = '"npm run rates" starts one, RATES_URL names another';
        throw new Error(`no rates service answers at ${url}; ${cure}`, { cause });
      });
      if (!answer.ok) throw new Error(`the rates service answered ${answer.status}`);
      return RatesAnswer.parse(await answer.json()).rates;
    },
  });
  return {
    async toEur(amount, currency, signal) {
      const rate = (await rates.get('EUR', { signal }))[currency];
      if (rate === undefined) throw new UnknownCurrency(`there is no rate for ${currency}`);
      return times(amount, rate);
    },
  };
}
