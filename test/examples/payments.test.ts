/** The payments service as a whole: waiting, order, crashes, several processes, a clean end. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';
import {
  readLedger,
  customerOf,
  paymentOf,
  type Service,
  startService,
} from './payments-service.ts';
import { assertPrintsItsComment } from './program.ts';

const parent = temporaryFolder();
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(parent, 'test-'));
});

test('the commands it prints show a payment waiting, and then booked', async () => {
  const service = await startService(folder);
  await service.program.line(/# booked$/m);
  const commands = [...service.program.output.matchAll(/^ {2}(curl .*)$/gm)].map(
    (match) => match[1]!,
  );
  assert.equal(commands.length, 4);

  assert.equal(await follow(commands[0]!), 'accepted');
  assert.equal(await follow(commands[1]!), 'waiting');
  await follow(commands[2]!);
  await service.program.line(/^Booked /m);
  assert.equal(await follow(commands[3]!), 'booked');

  await service.program.interrupt();
  assertPrintsItsComment('payments/main.ts', service.program.output);
});

test('the commands of the README do what it says, and print what it shows', async () => {
  const readme = readFileSync('README.md', 'utf8');
  const [, run = ''] = /^```text\n(.*?)^```$/ms.exec(readme) ?? [];
  const service = await startService(folder);
  const [pay = '', look = '', register = '', lookAgain = '', ...others] = [
    ...readme.matchAll(/^curl .*$/gm),
  ].map(([command]) => command.replace('http://localhost:3000', service.url));
  assert.deepEqual(others, []);
  const [, before, after] = /^The first look .*`(\w+)`.* the second .*`(\w+)`/m.exec(readme) ?? [];

  assert.equal(await follow(pay), 'accepted');
  await service.program.line(/^Payment p-1 waits /m);
  assert.equal(await follow(look), before);
  await follow(register);
  await service.program.line(/^Booked p-1 /m);
  await service.program.lines(/^Published messages: /gm, 2);
  assert.equal(await follow(lookAgain), after);

  const [, printed = ''] = /# booked\n\n(.*)/s.exec(service.program.output) ?? [];
  assert.deepEqual(asShown(printed), asShown(run));
});

/** All lines. One id is new each time, and when the relay tells of it is its own affair. */
function asShown(text: string) {
  const lines = text
    .trimEnd()
    .replaceAll(/\[[\da-f-]{36}\]/g, '[ID]')
    .split('\n');
  const isOfRelay = (line: string): boolean => line.startsWith('Published ');
  return { ofRelay: lines.filter(isOfRelay), others: lines.filter((line) => !isOfRelay(line)) };
}

test.each(['payments.db', 'payments-messages.db'])(
  'a service whose %s is deleted says so and ends, instead of refusing for ever',
  async (file) => {
    const service = await startService(folder);
    await service.accepted('/customers', customerOf('c-1'));

    rmSync(join(folder, file));

    await service.program.line(/\(ENGINE_GONE\); start the service again$/m);
    assert.equal(await service.program.ended, 1, service.program.output);
  },
);

test('a payment says whom it waits for, and so do those behind it', async () => {
  const service = await startService(folder);
  await service.accepted('/payments', paymentOf('p-1', 'c-9'));
  await service.accepted('/payments', paymentOf('p-2', 'c-9'));

  for (const id of ['p-1', 'p-2']) {
    const { status, reason } = await service.until(id, 'waiting');
    assert.deepEqual(
      { status, reason },
      { status: 'waiting', reason: 'waits for customer c-9 to be registered' },
    );
  }

  await service.accepted('/customers', customerOf('c-9'));
  for (const id of ['p-1', 'p-2'])
    assert.equal('reason' in (await service.until(id, 'booked')), false);
});

test('a declined card declines the payment at once, and the next one is booked', async () => {
  const service = await startService(folder);
  await service.accepted('/customers', customerOf('c-1'));
  await service.accepted('/payments', { ...paymentOf('p-1', 'c-1'), amount: '66.13' });
  await service.accepted('/payments', paymentOf('p-2', 'c-1'));

  const { reason } = await service.until('p-1', 'declined');

  assert.equal(reason, 'the card was declined: 66.13 USD');
  await service.until('p-2', 'booked');
});

const customers = Array.from({ length: 20 }, (_, index) => `c-${index}`);

describe('200 payments of 20 customers are booked once and in order', () => {
  test('posted before and among the registrations', async () => {
    const service = await startService(folder);

    await postAll([service]);

    await service.program.lines(/^Booked /gm, 200);
    assert.deepEqual(...ledgers());
    await service.program.interrupt();
  });

  test.each([
    { where: 'two files', files: {} },
    { where: 'one file, without a relay', files: { MALOTE_ENGINE: 'sqlite:payments.db' } },
  ])('by two processes on $where', async ({ files }) => {
    const start = () => startService(folder, files);
    const services = await Promise.all([start(), start()] as const);

    await postAll(services);

    await allBooked(services[0]);
    assert.deepEqual(...ledgers());
    await Promise.all(services.map(({ program }) => program.interrupt()));
  });

  test('when the process is killed half way, and the requests are sent again', async () => {
    const killed = await startService(folder);
    const posted = postAll([killed]).catch(() => {});
    await killed.program.lines(/^Booked /gm, 50);
    killed.program.kill('SIGKILL');
    await killed.program.ended;
    await posted;

    const service = await startService(folder);
    await postAll([service]);

    await allBooked(service);
    assert.deepEqual(...ledgers());
  });
});

test('SIGTERM while requests come in: what was answered 202 is kept', async () => {
  const service = await startService(folder);
  await service.accepted('/customers', customerOf('c-1'));
  const answers: string[] = [];
  const posting = (async () => {
    for (let number = 0; ; number++) {
      const response = await service.post('/payments', paymentOf(`p-${number}`, 'c-1'));
      if (response.status !== 202) return;
      answers.push(`p-${number}`);
      if (number === 20) service.program.kill('SIGTERM');
    }
  })();
  await posting.catch(() => {});
  assert.equal(await service.program.ended, 0, service.program.output);

  const again = await startService(folder);

  assert.ok(answers.length > 20);
  for (const id of answers) await again.until(id, 'booked');
});

/** The last payment of a customer is booked after the others. */
async function allBooked(service: Service): Promise<void> {
  for (const customerId of customers) await service.until(`${customerId}-9`, 'booked');
}

/** What was accepted and what was booked, per customer and in order: to be equal. */
function ledgers(): [unknown, unknown] {
  const { accepted, booked } = readLedger(join(folder, 'payments.db'));
  assert.equal([...accepted.values()].flat().length, 200);
  return [booked, accepted];
}

/** Ten payments per customer, in order; the registration before, among or after them. */
async function postAll(services: readonly Service[]): Promise<void> {
  const each = customers.map(async (customerId, index) => {
    for (let number = 0; number < 10; number++) {
      const service = services[(index + number) % services.length]!;
      if (number === index % 10) await service.accepted('/customers', customerOf(customerId));
      await service.accepted('/payments', paymentOf(`${customerId}-${number}`, customerId));
    }
  });
  await Promise.all(each);
}

/** Does what the printed curl command does; answers the status of the payment. */
async function follow(command: string): Promise<string | undefined> {
  const [, , body = null, url = ''] = /^curl (.*-d '([^']+)' )?(\S+)/.exec(command) ?? [];
  const headers = { 'Content-Type': 'application/json' };
  const response = await fetch(url, body === null ? {} : { method: 'POST', headers, body });
  assert.ok(response.ok, command);
  return ((await response.json()) as { status?: string }).status;
}
