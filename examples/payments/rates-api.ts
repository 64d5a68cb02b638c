/**
 * A small stand-in for a service of exchange rates: slow, failing on demand, and counting how often
 * it is asked.
 */
import { setTimeout } from 'node:timers/promises';
import { Hono } from 'hono';
import { z } from 'zod';
import { endWithNewline } from './end-with-newline.ts';

export interface RatesOptions {
  /** How long an answer takes, in milliseconds. */
  readonly delayMs: number;
}

/** Where `npm run rates` listens, unless it is told another one. */
export const usualRatesPort = '3010';

/** Euro for one unit, as text. */
const rates = { EUR: '1', USD: '0.92277', GBP: '1.1794', BRL: '0.16012', JPY: '0.0061' };
const FailRequest = z.strictObject({ times: z.int().min(0).max(1_000_000) });

export function createRates({ delayMs }: RatesOptions): Hono {
  const app = new Hono();
  const calls = { total: 0, succeeded: 0 };
  let failures = 0;
  app.use(endWithNewline);

  app.get('/rates', async (c) => {
    calls.total += 1;
    await setTimeout(delayMs);
    if (failures > 0) {
      failures -= 1;
      return c.json({ title: 'the rates are not available' }, 503);
    }
    calls.succeeded += 1;
    return c.json({ base: 'EUR', rates });
  });
  app.get('/calls', (c) => c.json(calls));
  app.post('/fail', async (c) => {
    const checked = FailRequest.safeParse(await c.req.json().catch(() => null));
    if (!checked.success) return c.json({ title: 'send {"times": 3}' }, 400);
    failures = checked.data.times;
    return c.body(null, 204);
  });
  return app;
}
