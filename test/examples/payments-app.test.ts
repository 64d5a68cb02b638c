/** The payments service's handler without its process, for states a running one leaves quickly. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { type Bus, createBus } from 'malote';
import { sqlite } from 'malote/sqlite';
import { afterEach, expect, test, vi } from 'vitest';
import { createApp } from '../../examples/payments/app.ts';
import { openDatabase } from '../../examples/payments/database.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
const database = openDatabase(':memory:');
let made = 0;
afterEach(() => void vi.restoreAllMocks());

function appWith({ isStopping = false }: { readonly isStopping?: boolean } = {}) {
  const bus: Bus<DatabaseSync> = createBus({ engine: sqlite(join(folder, `${made++}.db`)) });
  return { bus, app: createApp({ bus, database, isStopping: () => isStopping }) };
}

test('a service that stops is alive, not ready, and takes nothing on', async () => {
  const { app } = appWith({ isStopping: true });

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

test('a service whose engine cannot be reached is not ready', async () => {
  const { app, bus } = appWith();
  assert.equal((await app.request('/readyz')).status, 200);
  vi.spyOn(console, 'error').mockReturnValue();
  await bus.stop();

  assert.equal((await app.request('/readyz')).status, 503);
});

test('an unexpected error is logged, and answered without what it says', async () => {
  const { app } = appWith();
  const logged = vi.spyOn(console, 'error').mockReturnValue();
  vi.spyOn(database, 'findPayment').mockImplementation(() => {
    throw new Error('no such table: secrets');
  });

  const response = await app.request('/payments/p-1');

  assert.equal(response.status, 500);
  assert.doesNotMatch(await response.text(), /secrets|\.ts/);
  expect(logged).toHaveBeenCalledOnce();
});

test('transactions on one connection take turns, however long their work', async () => {
  const begun: number[] = [];
  const works = [1, 2, 3].map((number) =>
    database.transaction(async () => {
      begun.push(number);
      await new Promise(setImmediate);
      begun.push(number);
    }),
  );

  await Promise.all(works);

  assert.deepEqual(begun, [1, 1, 2, 2, 3, 3]);
});

test('a payment is booked by the first of two deliveries', () => {
  assert.equal(database.book('p-1', 'c-1'), true);
  assert.equal(database.book('p-1', 'c-1'), false);
});

test('work that fails leaves no row, and the next transaction is its own', async () => {
  const payment = { id: 'p-2', customerId: 'c-1', amount: '1.00', currency: 'USD' };
  const failing = database.transaction(() => {
    database.addPayment(payment);
    throw new Error('the message was refused');
  });
  const next = database.transaction((tx) => tx.isTransaction);

  await assert.rejects(failing, /refused/);
  assert.equal(await next, true);
  assert.equal(database.findPayment('p-2'), undefined);
});
