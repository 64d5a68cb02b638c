/** The HTTP side: each request writes its row and its message in one transaction, or neither. */
import { randomUUID } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { isDeepStrictEqual } from 'node:util';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { Bus } from 'malote';
import type { Added, Customer, Database, Payment } from './database.ts';
import { CustomerRegistered, PaymentRequested } from './messages.ts';
import { answer, answerError, Problem } from './problem.ts';
import { CustomerRequest, PaymentRequest, readBody } from './request.ts';
import { type Status, statusOf } from './status.ts';

export interface AppOptions {
  readonly bus: Bus<DatabaseSync>;
  readonly database: Database;
  readonly isStopping: () => boolean;
}

const maxBodyBytes = 16_384;

export function createApp({ bus, database, isStopping }: AppOptions): Hono {
  const app = new Hono();
  app.onError(answerError);
  app.notFound((c) => answer(new Problem(404, `there is no ${c.req.method} ${c.req.path}`)));

  app.get('/healthz', (c) => c.json({ status: 'alive' }));
  app.use(async (_c, next) => {
    if (isStopping()) throw new Problem(503, 'the service is stopping');
    await next();
  });
  app.get('/readyz', async (c) => {
    await bus.subscriptions.list();
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
    await database.transaction(async (tx) => {
      if (!isNew('customer', database.addCustomer(customer), customer)) return;
      await bus.publish(CustomerRegistered, { customerId: id, ...rest }, { tx });
    });
    return c.json(customer, 201);
  });

  app.post('/payments', async (c) => {
    const { id = randomUUID(), ...rest } = await readBody(c, PaymentRequest);
    const payment: Payment = { id, ...rest };
    const first = await database.transaction(async (tx) => {
      if (!isNew('payment', database.addPayment(payment), payment)) return false;
      await bus.publish(PaymentRequested, { paymentId: id, ...rest }, { id, tx });
      return true;
    });
    const status = await statusOf(payment, { bus, database });
    if (first && status.status === 'waiting') console.log(`Payment ${id} ${status.reason}`);
    const answered: Status = first ? { status: 'accepted' } : status;
    return c.json({ ...payment, ...answered }, 202, { Location: `/payments/${id}` });
  });

  app.get('/payments/:id', async (c) => {
    const payment = database.findPayment(c.req.param('id'));
    if (payment === undefined) throw new Problem(404, 'there is no such payment');
    return c.json({ ...payment, ...(await statusOf(payment, { bus, database })) });
  });

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
