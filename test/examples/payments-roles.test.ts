/** The payments service as separate processes: each role with the same code, none needed by all. */
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';
import {
  customerOf,
  inFiles,
  paymentOf,
  ratesListen,
  serviceAt,
  type Service,
  startRates,
  startRole,
  startService,
} from './payments-service.ts';
import { freePort } from '../support/free-port.ts';
import { type Program, runExample, runScript } from './program.ts';

const parent = temporaryFolder();
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(parent, 'test-'));
});

function startApp(environment = {}): Promise<Service> {
  return startService(folder, environment, ['app']);
}

function start(role: 'relay' | 'worker', environment = {}): Promise<Program> {
  return startRole(role, folder, environment);
}

test('four processes, each with a role, book what waited for its customer', async () => {
  const [app, relay, worker] = await Promise.all([
    startApp(),
    start('relay'),
    start('worker', { RATES_URL: await startRates(folder) }),
  ]);

  await app.accepted('/payments', paymentOf('p-1', 'c-1'));
  await relay.line(/^Published messages: \[p-1\]$/m);
  await app.until('p-1', 'waiting');
  await relay.line(/^Payment p-1 waits for customer c-1 to be registered$/m);
  await app.accepted('/customers', customerOf('c-1'));

  assert.equal((await app.until('p-1', 'booked')).amountEur, '9.23');
  const { total, perMinute, topCustomers } = await app.materialized();
  assert.deepEqual([total, perMinute], [1, 1]);
  assert.deepEqual(topCustomers, [{ customerId: 'c-1', count: 1, amountEur: '9.23' }]);
  const said = /^Handling \[customer.registered\] - Payload: .*"customerId":"c-1".*$/m;
  assert.match(worker.output, said);
  for (const [program, words] of [
    [app.program, /Handling|Booked|Published/],
    [relay, /Handling|Booked/],
    [worker, /Published|listens/],
  ] as const) {
    await program.interrupt();
    assert.doesNotMatch(program.output, words);
  }
});

test('npm run app, relay, worker and rates find each other and book a payment', async () => {
  const environment = {
    PORT: '0',
    RATES_PORT: await freePort(),
    MALOTE_ENGINE: `sqlite:${join(folder, 'malote.db')}`,
    MALOTE_STORE: `sqlite:${join(folder, 'payments.db')}`,
  };
  const rates = runScript('rates', environment);
  const [, ratesUrl] = await rates.line(ratesListen);
  const [app, relay, worker] = ['app', 'relay', 'worker'].map((role) =>
    runScript(role, environment),
  ) as [Program, Program, Program];
  const [, url = ''] = await app.line(/^payments listens on (\S+), /m);
  await relay.line(/^relay at work$/m);
  await worker.line(/^worker at work$/m);

  const service = serviceAt(url, app);
  await service.accepted('/payments', paymentOf('p-1', 'c-1'));
  await service.accepted('/customers', customerOf('c-1'));

  assert.equal((await service.until('p-1', 'booked')).amountEur, '9.23');
  const calls: unknown = await (await fetch(`${ratesUrl}/calls`)).json();
  assert.deepEqual(calls, { total: 1, succeeded: 1 });
  for (const program of [app, relay, worker]) {
    program.kill('SIGINT');
    await program.line(/^stopped$/m);
  }
});

describe('an application alone', () => {
  test('accepts while there is neither relay nor worker, and says so', async () => {
    const app = await startApp();

    await app.accepted('/payments', paymentOf('p-1', 'c-1'));
    await app.accepted('/customers', customerOf('c-1'));

    assert.equal((await app.payment('p-1')).status, 'accepted');
    assert.equal((await fetch(`${app.url}/readyz`)).status, 200);
    await Promise.all([start('relay'), start('worker', { RATES_URL: await startRates(folder) })]);
    await app.until('p-1', 'booked');
  });
});

test('rates are kept where MALOTE_CACHE says', async () => {
  const environment = { RATES_URL: await startRates(folder) };
  const cached = { ...environment, MALOTE_CACHE: 'sqlite:cache/rates.db' };
  const [app, worker] = await Promise.all([startApp(), start('worker', cached), start('relay')]);
  await app.accepted('/customers', customerOf('c-1'));
  await app.accepted('/payments', paymentOf('p-1', 'c-1'));
  await app.until('p-1', 'booked');
  await worker.interrupt();

  // Others find them there: a service that cannot be reached is not asked.
  await start('worker', { ...cached, RATES_URL: 'http://localhost:1' });
  await app.accepted('/payments', paymentOf('p-2', 'c-1'));

  assert.equal((await app.until('p-2', 'booked')).amountEur, '9.23');
});

test.each([
  { args: ['bookkeeper'], problem: /there is no role "bookkeeper"\nUsage: npm start/ },
  { args: ['--fast'], problem: /^there is no option "--fast"\nUsage: npm start/ },
  { args: ['--exit'], problem: /^--exit goes with --traffic, .*\nUsage: npm start/ },
  {
    args: ['--trafic', '10'],
    problem: /^there is no option "--trafic"; did you mean "--traffic"\?\nUsage: npm start/,
  },
])('what cannot be is refused: $args', async ({ args, problem }) => {
  const program = runExample('payments/main.ts', { folder, args, environment: inFiles('no/data') });

  assert.equal(await program.ended, 2);
  assert.match(program.output, problem);
});

test('a store that is no database is refused', async () => {
  const environment = { PORT: '0', MALOTE_STORE: 'postgres://localhost' };
  const program = runExample('payments/main.ts', { folder, environment });

  assert.equal(await program.ended, 2);
  assert.match(program.output, /^MALOTE_STORE must be sqlite:path, got "postgres:\/\/localhost"$/m);
});

test.each([
  { setting: { PAYMENT_DEADLINE: 'abc' }, problem: /^PAYMENT_DEADLINE must be .*, got "abc"\n$/ },
  { setting: { RATES_TTL: '1 hour' }, problem: /^RATES_TTL must be .*, got "1 hour"\n$/ },
  { setting: { PAYMENT_DEADLINE: '0s' }, problem: /^.*waiting\.deadline must be .*, got "0s"\n$/ },
])('a duration that cannot be is refused in one sentence: $setting', async (row) => {
  const environment = { PORT: '0', ...inFiles('payments'), ...row.setting };
  const program = runExample('payments/main.ts', { folder, environment });

  assert.equal(await program.ended, 1);
  assert.match(program.output, row.problem);
});
