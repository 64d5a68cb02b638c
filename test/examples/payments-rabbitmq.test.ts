/**
 * The payments service with its messages on RabbitMQ and its rows, outbox, inbox and rates in
 * SQLite: the same code, by `MALOTE_ENGINE` alone.
 */
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'vitest';
import { overRabbitmq } from '../rabbitmq/over-rabbitmq.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { customerOf, paymentOf, startRates, startRole, startService } from './payments-service.ts';
import { runExample } from './program.ts';

const parent = temporaryFolder();
/** Up to six processes and a server on a crowded machine. */
const timeout = 180_000;

overRabbitmq((server) => {
  test('a payment waits for its customer, is declined, is booked once', { timeout }, async () => {
    const folder = mkdtempSync(join(parent, 'roles-'));
    const environment = { MALOTE_ENGINE: server().url };
    const app = await startService(folder, environment, ['app']);
    await app.accepted('/payments', paymentOf('p-1', 'c-1'));
    await app.accepted('/payments', { ...paymentOf('p-2', 'c-1'), amount: '5.13' });
    const [relay] = await Promise.all([
      startRole('relay', folder, environment),
      startRole('worker', folder, { ...environment, RATES_URL: await startRates(folder) }),
    ]);
    await relay.line(/^Published messages: \[p-1/m);

    assert.match((await app.until('p-1', 'waiting')).reason ?? '', /customer c-1/);
    assert.equal((await app.until('p-2', 'waiting')).status, 'waiting');
    await app.accepted('/customers', customerOf('c-1'));

    assert.equal((await app.until('p-1', 'booked')).amountEur, '9.23');
    const { reason } = await app.until('p-2', 'declined');
    assert.equal(reason, 'the card was declined: 5.13 USD');
    assert.equal((await app.materialized()).total, 1);
    const metrics = await (await fetch(`${app.url}/metrics`)).text();
    assert.match(metrics, /^malote_dead_messages\{subscription="ledger"\} 1$/m);
  });

  test('an application accepts while the server is away', { timeout }, async () => {
    const folder = mkdtempSync(join(parent, 'away-'));
    const app = await startService(folder, { MALOTE_ENGINE: 'amqp://127.0.0.1:1' }, ['app']);

    await app.accepted('/payments', paymentOf('p-1', 'c-1'));

    assert.equal((await fetch(`${app.url}/readyz`)).status, 200);
    const metrics = await (await fetch(`${app.url}/metrics`)).text();
    assert.match(metrics, /^malote_engine_up 0$/m);
    assert.match(metrics, /^malote_outbox_messages 1$/m);
  });

  test('traffic with a worker and a relay killed is booked once and in order', {
    timeout,
  }, async () => {
    const folder = mkdtempSync(join(parent, 'traffic-'));
    const environment = { MALOTE_ENGINE: server().url };
    const args = ['--traffic', '300', '--exit'];
    const program = runExample('payments/main.ts', { folder, args, environment });

    assert.equal(await program.ended, 0, program.output);
    assert.match(program.output, /^✔ 300 accepted = \d+ booked \+ \d+ dead with a reason$/m);
  });
});
