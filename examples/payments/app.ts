/** The HTTP side: each request writes its row and its message in one transaction, or neither. */
import { randomUUID } from 'node:crypto';
import type { SqliteTransaction } from 'malote/sqlite';
import { setTimeout } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { Bus } from 'malote';
import type { Added, Customer, Database, Payment } from './database.ts';
import { CustomerRegistered, PaymentRequested } from './messages.ts';
import { endWithNewline } from './end-with-newline.ts';
import { createMetrics } from './metrics.ts';
import { answer, answerError, Problem } from './problem.ts';
import { CustomerRequest, PaymentRequest, readBody } from './request.ts';
import { settledStatusOf, type Status } from './status.ts';

export interface AppOptions {
  readonly bus: Bus<SqliteTransaction>;
  readonly database: Database;
  readonly isStopping: () => boolean;
  /** How the service waits for a payment that is on its way. */
  readonly pause?: (ms: number) => Promise<unknown>;
}

const maxBodyBytes = 16_384;

export function createApp({ bus, database, isStopping, pause = setTimeout }: AppOptions): Hono {
  const app = new Hono();
  app.use(endWithNewline);
  app.onError(answerError);
  app.notFound((c) => answer(new Problem(404, `there is no ${c.req.method} ${c.req.path}`)));

  const sight = { bus, database };
  const metrics = createMetrics(sight);

  app.get('/healthz', (c) => c.json({ status: 'alive' }));
  app.use(async (_c, next) => {
    if (isStopping()) throw new Problem(503, 'the service is stopping');
    await next();
  });
  app.get('/readyz', async (c) => {
    // Requests need the store. While the engine is away, their messages wait in the outbox.
    await bus.transaction(() => {});
    return c.json({ status: 'ready' });
  });

  app.use(
    bodyLimit({
      maxSize: maxBodyBytes,
      onError: () => answer(new Problem(413, `the body has more than ${maxBodyBytes} bytes`)),
    }),
  );

  app.post('/customers', async (c) => {
    const { id = randomUUID(), ...rest } = await readBody(c, CustomerRequest);
    const customer: Customer = { id, ...rest };
    await bus.transaction(({ tx, publish }) => {
      if (!isNew('customer', database.addCustomer(tx, customer), customer)) return;
      publish(CustomerRegistered, { customerId: id, ...rest });
    });
    return c.json(customer, 201);
  });

  app.post('/payments', async (c) => {
    const { id = randomUUID(), ...rest } = await readBody(c, PaymentRequest);
    const payment: Payment = { id, ...rest };
    await bus.transaction(({ tx, publish }) => {
      if (!isNew('payment', database.addPayment(tx, payment), payment)) return;
      publish(PaymentRequested, { paymentId: id, ...rest }, { id });
    });
    // A repeated request is answered as the first one was; where it stands by now, Location tells.
    const accepted: Status = { status: 'accepted' };
    return c.json({ ...payment, ...accepted }, 202, { Location: `/payments/${id}` });
  });

  app.get('/payments/:id', async (c) => {
    const payment = database.findPayment(c.req.param('id'));
    if (payment === undefined) throw new Problem(404, 'there is no such payment');
    return c.json({ ...payment, ...(await settledStatusOf(payment, { ...sight, pause })) });
  });

  app.get('/metrics', async (c) => c.text(await metrics.read()));
  app.get('/materialized', (c) => c.json(database.materialized()));

  return app;
}

/** A repeated request changes nothing and is answered; another one under its id is refused. */
function isNew<Row>(
  kind: string,
  added: Added<Row>,
  given: Row & { readonly id: string },
): boolean {
  if (added.isNew) return true;
  if (isDeepStrictEqual({ ...added.row }, given)) return false;
  throw new Problem(409, `${kind} ${given.id} exists already, with other values`);
}
