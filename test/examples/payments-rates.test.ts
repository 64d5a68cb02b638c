/** Amounts in euro: the rates service is asked once for all processes, and may be down. */
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, test } from 'vitest';
import { times } from '../../examples/payments/money.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { customerOf, paymentOf, startRates, startService } from './payments-service.ts';

const parent = temporaryFolder();
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(parent, 'test-'));
});

async function callsOf(url: string): Promise<unknown> {
  return await (await fetch(`${url}/calls`)).json();
}

test('two processes that book at once ask for the rates once', async () => {
  const url = await startRates(folder, { RATES_DELAY: '300' });
  const start = () => startService(folder, { RATES_URL: url });
  const services = await Promise.all([start(), start()]);
  const customers = ['c-1', 'c-2', 'c-3', 'c-4'];

  const posting = customers.map(async (id, index) => {
    const service = services[index % 2]!;
    await service.accepted('/customers', customerOf(id));
    for (const number of [1, 2, 3])
      await service.accepted('/payments', paymentOf(`${id}-${number}`, id));
  });
  await Promise.all(posting);
  for (const id of customers) {
    const { amountEur } = await services[0].until(`${id}-3`, 'booked');
    assert.equal(amountEur, '9.23');
  }

  assert.deepEqual(await callsOf(url), { total: 1, succeeded: 1 });
});

test('while the rates service fails payments wait for it', async () => {
  const url = await startRates(folder, { RATES_DELAY: '300' });
  await fetch(`${url}/fail`, { method: 'POST', body: '{"times": 2}' });
  const service = await startService(folder, { RATES_URL: url });
  await service.accepted('/customers', customerOf('c-1'));
  await service.accepted('/payments', paymentOf('p-1', 'c-1'));

  assert.equal((await service.until('p-1', 'booked')).amountEur, '9.23');

  assert.deepEqual(await callsOf(url), { total: 3, succeeded: 1 });
  const { output } = service.program;
  const failures = output.match(/^a cache could not load a value: rates: Error: .* 503$/gm);
  assert.equal(failures?.length, 2, output);
  assert.doesNotMatch(output, /exchange\.ts|"stack"/);
});

test('a currency without a rate declines the payment', async () => {
  const service = await startService(folder);
  await service.accepted('/customers', customerOf('c-1'));
  await service.accepted('/payments', { ...paymentOf('p-1', 'c-1'), currency: 'XXX' });

  assert.equal((await service.until('p-1', 'declined')).reason, 'there is no rate for XXX');
});

test('money is reckoned to the cent, half a cent upwards', () => {
  assert.equal(times('10.00', '0.92277'), '9.23');
  assert.equal(times('0.01', '0.5'), '0.01');
  assert.equal(times('0.01', '0.49'), '0.00');
  assert.equal(times('7', '1'), '7.00');
  assert.equal(times('999999999999.99', '1.1794'), '1179399999999.99');
  assert.equal(times('0.1', '3'), '0.30');
});
