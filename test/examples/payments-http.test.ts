/** The payments service at its door: what is accepted, what is refused, and how it says so. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { beforeEach, describe, test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { customerOf, inFiles, paymentOf, type Service, startService } from './payments-service.ts';

const folder = temporaryFolder();
let service: Service;
let file = 0;
beforeEach(async () => {
  file += 1;
  service = await startService(folder, inFiles(String(file)));
});

describe('accepts', () => {
  test('a customer with 201, as anybody would send it first', async () => {
    const response = await service.post(
      '/customers',
      '{"email":"test@example.com","name":"TESTTTTTT"}',
    );

    assert.equal(response.status, 201);
    const { id, ...rest } = (await response.json()) as Record<string, string>;
    assert.deepEqual(rest, { email: 'test@example.com', name: 'TESTTTTTT' });
    assert.match(id ?? '', /^[\w-]{36}$/);
    const payload = JSON.stringify({ customerId: id, ...rest });
    const [line] = await service.program.line(/^Handling .*$/m);
    assert.equal(line, `Handling [customer.registered] - Payload: ${payload}`);
  });

  test('a payment with 202, and tells where to look', async () => {
    const response = await service.post('/payments', paymentOf('p-1', 'c-1'));

    assert.equal(response.status, 202);
    assert.equal(response.headers.get('Location'), '/payments/p-1');
    assert.deepEqual(await response.json(), { ...paymentOf('p-1', 'c-1'), status: 'accepted' });
  });

  test('a request again as the first time, whatever came of it, and no second message', async () => {
    for (let time = 1; time <= 2; time++) {
      assert.deepEqual(await service.accepted('/customers', customerOf('c-1')), customerOf('c-1'));
    }
    const pay = async (): Promise<object> => {
      const response = await service.post('/payments', paymentOf('p-1', 'c-1'));
      const location = response.headers.get('Location');
      return { status: response.status, location, body: await response.text() };
    };
    const first = await pay();
    await service.until('p-1', 'booked');

    assert.deepEqual(await pay(), first);

    await service.accepted('/payments', paymentOf('p-2', 'c-1'));
    await service.until('p-2', 'booked');
    assert.equal(service.program.output.match(/^Booked p-1 /gm)?.length, 1);
    assert.equal(service.program.output.match(/^Handling /gm)?.length, 1);
  });

  test('requests on both loopback addresses', async () => {
    const { port } = new URL(service.url);

    assert.equal((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200);
    assert.equal((await fetch(`http://[::1]:${port}/healthz`)).status, 200);
  });
});

describe('refuses', () => {
  const customer = { email: 'a@example.com', name: 'A' };
  const payment = { customerId: 'c-1', amount: '1.00', currency: 'USD' };
  const invalid = [
    { path: '/customers', body: { name: 'A' }, field: 'email' },
    { path: '/customers', body: { ...customer, email: 'nobody' }, field: 'email' },
    { path: '/customers', body: { ...customer, name: '  ' }, field: 'name' },
    { path: '/customers', body: { ...customer, id: 'a b' }, field: 'id' },
    { path: '/customers', body: { ...customer, admin: true }, field: 'admin' },
    { path: '/customers', body: [], field: 'body' },
    { path: '/payments', body: { ...payment, amount: 10 }, field: 'amount' },
    { path: '/payments', body: { ...payment, amount: '-1.00' }, field: 'amount' },
    { path: '/payments', body: { ...payment, amount: '0.00' }, field: 'amount' },
    { path: '/payments', body: { ...payment, amount: '1.001' }, field: 'amount' },
    { path: '/payments', body: { ...payment, amount: '1e3' }, field: 'amount' },
    { path: '/payments', body: { ...payment, currency: 'usd' }, field: 'currency' },
    { path: '/payments', body: { ...payment, customerId: '' }, field: 'customerId' },
  ];
  test('invalid data with 400 and the field', async () => {
    for (const { path, body, field } of invalid) {
      const problem = await problemOf(await service.post(path, body), 400);
      assert.deepEqual(
        problem.errors?.map((error) => error.field),
        [field],
        JSON.stringify(body),
      );
      assert.ok(problem.detail.startsWith(`${field}: `), problem.detail);
    }
  });

  test('another body under the same id with 409', async () => {
    await service.accepted('/customers', customerOf('c-1'));
    await service.accepted('/payments', paymentOf('p-1', 'c-1'));

    await problemOf(await service.post('/customers', { ...customerOf('c-1'), name: 'B' }), 409);
    await problemOf(await service.post('/payments', paymentOf('p-1', 'c-2')), 409);

    assert.equal((await service.until('p-1', 'booked')).status, 'booked');
  });

  test('what is not JSON with 400, what does not say so with 415', async () => {
    const cut = await problemOf(await service.post('/customers', '{"email":'), 400);
    assert.equal(cut.detail, 'the body must be JSON');
    const body = JSON.stringify(customer);
    await problemOf(await fetch(`${service.url}/customers`, { method: 'POST', body }), 415);
  });

  test('a large body with 413, whether it tells its length or not', async () => {
    const large = JSON.stringify({ ...customer, name: 'x'.repeat(20_000) });

    await problemOf(await service.post('/customers', large), 413);
    assert.equal(await chunked(`${service.url}/customers`, large), 413);
  });

  test('an unknown path, and a payment nobody asked for, with 404', async () => {
    const { detail } = await problemOf(await fetch(`${service.url}/nothing`), 404);
    assert.equal(detail, 'there is no GET /nothing');
    await problemOf(await fetch(`${service.url}/payments/none`), 404);
  });
});

test('every JSON answer ends with a new line, and its length says so', async () => {
  const answers = [
    await service.post('/customers', customerOf('c-1')),
    await service.post('/payments', '{'),
    await service.post('/payments', { ...paymentOf('p-1', 'c-1'), note: 'x'.repeat(20_000) }),
    ...(await Promise.all(
      ['/healthz', '/materialized', '/nowhere'].map((path) => fetch(`${service.url}${path}`)),
    )),
  ];

  assert.deepEqual(
    answers.map(({ status }) => status),
    [201, 400, 413, 200, 200, 404],
  );
  for (const answer of answers) {
    const body = await answer.text();
    assert.match(body, /^\{.*\}\n$/, answer.url);
    const length = answer.headers.get('Content-Length');
    if (length !== null) assert.equal(Number(length), Buffer.byteLength(body), answer.url);
  }
});

test('a field that is not there is missing, an amount out of range learns its limits', async () => {
  const body = { customerId: 'c-1', amount: '1e3' };
  const { detail } = await problemOf(await service.post('/payments', body), 400);

  assert.match(detail, /^amount: must be text from "0.01" to "999999999999.99"/);
  assert.match(detail, /; currency: is missing$/);
});

test('a port that cannot be had is explained, and nothing is left behind', async () => {
  const { port } = new URL(service.url);
  const cases = [
    { PORT: port, problem: new RegExp(`port ${port} is taken; choose another`) },
    { PORT: 'abc', problem: /port abc cannot be used \(.+\); choose another/ },
  ];
  for (const { PORT, problem } of cases) {
    await assert.rejects(startService(folder, { PORT, ...inFiles('never/payments') }), problem);
  }

  assert.equal(existsSync(join(folder, 'never')), false);
});

interface ProblemAnswer {
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly errors?: readonly { readonly field: string; readonly detail: string }[];
}

async function problemOf(response: Response, status: number): Promise<ProblemAnswer> {
  const text = await response.text();
  assert.equal(response.status, status, text);
  assert.equal(response.headers.get('Content-Type'), 'application/problem+json');
  assert.doesNotMatch(text, /\bat .*\.[jt]s:/, 'shows a stack');
  const problem = JSON.parse(text) as ProblemAnswer;
  assert.equal(problem.status, status);
  return problem;
}

/** Answers the status of a POST without Content-Length. */
function chunked(url: string, body: string): Promise<number | undefined> {
  return new Promise((done, failed) => {
    const headers = { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' };
    const sent = request(url, { method: 'POST', headers }, (response) => {
      response.resume().on('end', () => done(response.statusCode));
    });
    sent.on('error', failed).end(body);
  });
}
