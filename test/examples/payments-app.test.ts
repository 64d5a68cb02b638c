/** The payments service's handler without its process, for states a running one leaves quickly. */
import assert from 'node:assert/strict';
import { subscribe } from 'node:diagnostics_channel';
import { join } from 'node:path';
import { type Bus, createBus, type TransitionEvent, transitionChannel } from 'malote';
import { sqlite, type SqliteTransaction } from 'malote/sqlite';
import { afterEach, expect, test, vi } from 'vitest';
import { createApp } from '../../examples/payments/app.ts';
import { type Booking, type Database, openDatabase } from '../../examples/payments/database.ts';
import { customer, PaymentRequested } from '../../examples/payments/messages.ts';
import { consume } from '../../examples/payments/worker.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { listenTo } from '../support/transitions.ts';

const folder = temporaryFolder();
let made = 0;
afterEach(() => void vi.restoreAllMocks());

function bookingOf(paymentId: string): Booking {
  return { paymentId, customerId: 'c-8', amountEur: '9.23' };
}

async function appWith({ isStopping = false, pause }: Partial<Given> = {}) {
  made += 1;
  const file = join(folder, `${made}.db`);
  const engine = sqlite(join(folder, `${made}-messages.db`));
  const bus: Bus<SqliteTransaction> = createBus({ engine, store: sqlite(file), logger: false });
  await bus.transaction(() => {});
  const database = openDatabase(file);
  const app = createApp({
    bus,
    database,
    isStopping: () => isStopping,
    pause: async (ms) => await pause?.(ms, { bus, database }),
  });
  return { bus, database, app };
}

interface Given {
  readonly isStopping: boolean;
  readonly pause: (ms: number, world: World) => unknown;
}

interface World {
  readonly bus: Bus<SqliteTransaction>;
  readonly database: Database;
}

test('a service that stops is alive, not ready, and takes nothing on', async () => {
  const { app } = await appWith({ isStopping: true });

  assert.equal((await app.request('/healthz')).status, 200);
  for (const [method, path] of [
    ['GET', '/readyz'],
    ['POST', '/payments'],
  ] as const) {
    const response = await app.request(path, { method });
    assert.equal(response.status, 503);
    assert.equal(response.headers.get('Retry-After'), '1');
    expect(await response.json()).toMatchObject({ detail: 'the service is stopping' });
  }
});

test('a service whose database cannot be reached is not ready', async () => {
  const { app, bus } = await appWith();
  assert.equal((await app.request('/readyz')).status, 200);
  vi.spyOn(console, 'error').mockReturnValue();
  await bus.stop();

  assert.equal((await app.request('/readyz')).status, 503);
});

test('who looks at a payment on its way hears that it is booked, after a moment', async () => {
  let pauses = 0;
  const { app, ...world } = await appWith({
    async pause(_ms, { bus, database }) {
      pauses += 1;
      if (pauses === 2) await bus.transaction(({ tx }) => database.book(tx, bookingOf('p-8')));
    },
  });
  await add('p-8', world);

  const response = await app.request('/payments/p-8');

  expect(await response.json()).toMatchObject({ id: 'p-8', status: 'booked' });
  assert.equal(pauses, 2);
});

test('who looks at a payment that stays on its way is answered all the same', async () => {
  const pauses: number[] = [];
  const { app, ...world } = await appWith({ pause: (ms) => pauses.push(ms) });
  await add('p-9', world);

  const response = await app.request('/payments/p-9');

  expect(await response.json()).toMatchObject({ id: 'p-9', status: 'accepted' });
  assert.ok(pauses.length > 0 && pauses.length < 10);
});

test('an unexpected error is logged, and answered without what it says', async () => {
  const { app, database } = await appWith();
  const logged = vi.spyOn(console, 'error').mockReturnValue();
  vi.spyOn(database, 'findPayment').mockImplementation(() => {
    throw new Error('no such table: secrets');
  });

  const response = await app.request('/payments/p-1');

  assert.equal(response.status, 500);
  assert.doesNotMatch(await response.text(), /secrets|\.ts/);
  expect(logged).toHaveBeenCalledOnce();
});

test('a payment is booked by the first of two deliveries', async () => {
  const file = join(folder, 'twice.db');
  await using bus = createBus({ engine: sqlite(file), name: 'twice', logger: false });
  const told = listenTo('twice');
  await bus.fulfil(customer('c-1'));
  const own = openDatabase(file);
  vi.spyOn(console, 'log').mockReturnValue();
  const exchange = { toEur: async () => '9.23' };
  consume({ bus, database: own, exchange, deadline: '1h' });
  await bus.start();
  const payment = { paymentId: 'p-1', customerId: 'c-1', amount: '10.00', currency: 'USD' };

  await bus.publish(PaymentRequested, payment, { id: 'p-1' });
  await told.count('acked', 1);
  // As if its acknowledgement had been lost: the same message once more.
  await bus.transaction(({ tx }) => void tx.exec('delete from ml_dedupe'));
  await bus.publish(PaymentRequested, payment, { id: 'p-1' });
  await told.count('skipped', 1);

  assert.equal(own.findBooking('p-1')?.amountEur, '9.23');
  assert.equal(own.materialized().total, 1);
  own.close();
});

test('a request whose message is refused leaves no row', async () => {
  const { bus, database } = await appWith();
  const payment = { id: 'p-2', customerId: 'c-1', amount: '1.00', currency: 'USD' };

  const failing = bus.transaction(({ tx, publish }) => {
    database.addPayment(tx, payment);
    publish(PaymentRequested, { ...payment, paymentId: payment.id, amount: 'ten' });
  });

  await assert.rejects(failing, { code: 'DATA_INVALID' });
  assert.equal(database.findPayment('p-2'), undefined);
});

test('what was booked is summed exactly, over the last minute and per customer', async () => {
  let nowMs = 1_000_000_000_000;
  const file = join(folder, 'totals.db');
  await using bus = createBus({ engine: sqlite(file), logger: false });
  await bus.transaction(() => {});
  const own = openDatabase(file, () => nowMs);
  const book = async (customerId: string, amountEur: string): Promise<void> => {
    await bus.transaction(({ tx }) => own.book(tx, { paymentId: 'p', customerId, amountEur }));
  };
  assert.deepEqual(own.materialized(), { total: 0, perMinute: 0, perSecond: 0, topCustomers: [] });

  await book('c-1', '0.10');
  nowMs += 30_000;
  await book('c-1', '0.20');
  await book('c-2', '90071992547409.93');
  await book('c-2', '90071992547409.92');
  assert.deepEqual(own.materialized(), {
    total: 4,
    perMinute: 4,
    perSecond: 0.07,
    topCustomers: [
      { customerId: 'c-2', count: 2, amountEur: '180143985094819.85' },
      { customerId: 'c-1', count: 2, amountEur: '0.30' },
    ],
  });

  nowMs += 30_000;
  assert.deepEqual([own.materialized().total, own.materialized().perMinute], [4, 3]);
  for (let number = 0; number < 200; number += 1) {
    nowMs += 1_000;
    await book(`c-${number}`, '1.00');
  }
  assert.equal(own.materialized().topCustomers.length, 10);
  const { count } = await bus.transaction(
    ({ tx }) => tx.prepare('select count(*) as count from seconds').get() as { count: number },
  );
  assert.equal(count, 60, 'seconds that are over are not kept');
  own.close();
});

test('what stands where, and for how long, is told in the form of Prometheus', async () => {
  const { app, bus, database } = await appWith();
  const post = (path: string, body: object) =>
    app.request(path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
  const payment = { id: 'p-1', customerId: 'c-1', amount: '1.00', currency: 'EUR' };
  const metrics = async (): Promise<string> => await (await app.request('/metrics')).text();
  await bus.subscribe('ledger', PaymentRequested);
  await post('/payments', payment);

  const behind = await metrics();
  assert.match(behind, /^malote_engine_up 1$/m);
  assert.match(behind, /^malote_outbox_messages 1$/m);
  assert.match(behind, /^malote_outbox_lag_seconds 0\.\d+$/m);
  assert.match(behind, /^malote_queue_messages\{subscription="ledger",state="waiting"\} 0$/m);
  assert.match(behind, /^malote_queue_oldest_age_seconds\{subscription="ledger"\} 0$/m);

  const waiting = new Promise<void>((resolve) => {
    subscribe(transitionChannel, (event) => {
      if ((event as TransitionEvent).kind === 'relayed') resolve();
    });
  });
  await bus.start();
  await waiting;
  while ((await bus.outbox.stats()).waiting > 0) await new Promise(setImmediate);
  const there = await metrics();
  assert.match(there, /^malote_outbox_messages 0$/m);
  assert.match(there, /^malote_outbox_lag_seconds 0$/m);
  assert.match(there, /^malote_outbox_relayed_total 1$/m);
  assert.match(there, /^malote_queue_messages\{subscription="ledger",state="waiting"\} 1$/m);
  assert.match(there, /^malote_queue_oldest_age_seconds\{subscription="ledger"\} 0\.\d+$/m);
  assert.match(there, /^malote_dead_messages\{subscription="ledger"\} 0$/m);
  assert.match(there, /^malote_events_total\{kind="relayed"\} 1$/m);

  await bus.transaction(({ tx }) => database.book(tx, bookingOf('p-1')));
  const all = await metrics();
  assert.match(all, /^payments_booked_total 1$/m);
  for (const line of all.trimEnd().split('\n')) {
    assert.match(
      line,
      /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [\d.]+)$/,
    );
  }
  await bus.stop();
});

async function add(id: string, { bus, database }: World): Promise<void> {
  const payment = { id, customerId: 'c-8', amount: '1.00', currency: 'USD' };
  await bus.transaction(({ tx }) => void database.addPayment(tx, payment));
}
