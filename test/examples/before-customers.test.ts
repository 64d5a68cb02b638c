/** Payments before customers, between processes that share one file. */
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { assertPrintsItsComment, type Program, runExample } from './program.ts';

const path = 'before-customers/main.ts';
const parent = temporaryFolder();
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(parent, 'test-'));
});

test('a payment waits for its customer, and is processed at the registration', async () => {
  const consumer = await consume();
  await publish('p', '5');
  await consumer.line(/^Payment .* of customer 5 arrived; .* it waits\.$/m);
  assert.doesNotMatch(consumer.output, /processed/);

  await publish('c', '5');
  await consumer.line(/^Payment .* of customer 5 is processed\.$/m);

  await consumer.interrupt();
  assertPrintsItsComment(path, consumer.output);
});

test('what was published before any consumer ever ran is processed by the first one', async () => {
  const first = await publish('p', '7');
  const second = await publish('p', '7');
  await publish('c', '7');

  const consumer = await consume();
  await consumer.lines(/^Payment .* is processed\.$/gm, 2);

  const payments = [...consumer.output.matchAll(/^Payment (\S+) of customer 7 is processed/gm)];
  assert.deepEqual(
    payments.map((match) => match[1]),
    [first, second],
  );
  assert.doesNotMatch(consumer.output, /^Customer 7 is registered\.$[^]*unknown/m);
  await consumer.interrupt();
});

test('a customer once registered is known to every later consumer', async () => {
  const first = await consume();
  await publish('c', '5');
  await first.line(/^Customer 5 is registered\.$/m);
  await first.interrupt();

  const second = await consume();
  const payment = await publish('p', '5');

  assert.equal(await processed(second), payment);
  assert.match(second.output, /^Payment .* arrived\.\nPayment .* is processed\.$/m);
});

test('a killed consumer loses nothing: the next one goes on', async () => {
  const killed = await consume();
  const payment = await publish('p', '5');
  await killed.line(/arrived/);
  killed.kill('SIGKILL');
  await killed.ended;
  await publish('c', '5');

  const consumer = await consume();

  assert.equal(await processed(consumer), payment);
});

test('--delay asks again after 1 s, then 2 s, until the customer is registered', async () => {
  const consumer = await consume('--delay');
  const payment = await publish('p', '5');
  await consumer.line(/of customer 5: no such customer at attempt 1; again in 1 s\.$/m);
  await consumer.line(/of customer 5: no such customer at attempt 2; again in 2 s\.$/m);

  await publish('c', '5');

  // On a busy machine the registration may take longer than the second delay.
  const [line] = await consumer.line(/^.*is processed.*$/m);
  const found = /^Payment (\S+) of customer 5 is processed at attempt ([3-9])\.$/.exec(line);
  assert.equal(found?.[1], payment, line);
  await consumer.interrupt();
});

describe('arguments that make no command end with 2 and the usage', () => {
  const cases = [
    { args: [], problem: 'a command is missing' },
    { args: ['payment', '5'], problem: 'there is no command "payment"; did you mean "p"?' },
    { args: ['cust', '5'], problem: 'there is no command "cust"; did you mean "c"?' },
    { args: ['consum'], problem: 'there is no command "consum"; did you mean "consumer"?' },
    { args: ['x'], problem: 'there is no command "x"' },
    { args: ['p'], problem: '"p" takes one customer, such as: p 5' },
    { args: ['prod', '5'], problem: 'there is no command "prod"; did you mean "producer"?' },
    {
      args: ['producer', '5'],
      problem: '"producer" takes p or c, and one customer, such as: producer p 5',
    },
    { args: ['producer', 'c'], problem: '"c" takes one customer, such as: c 5' },
    { args: ['p', '-5'], problem: '"p" takes one customer, such as: p 5' },
    {
      args: ['consumer', '--dely'],
      problem: '"consumer" takes no more than --delay, got "--dely"',
    },
  ];

  test.each(cases)('$args', async ({ args, problem }) => {
    const program = runExample(path, { folder, args });

    assert.equal(await program.ended, 2);
    assert.ok(program.output.startsWith(`${problem}\n\nUsage: `), program.output);
  });
});

test.each(['help', '--help', '-h'])('%s prints the usage and ends with 0', async (asked) => {
  const program = runExample(path, { folder, args: ['p', asked] });

  assert.equal(await program.ended, 0);
  assert.match(program.output, /^Usage: /);
});

async function consume(...options: readonly string[]): Promise<Program> {
  const consumer = runExample(path, { folder, args: ['consumer', ...options] });
  await consumer.line(/^Consuming/m);
  return consumer;
}

async function processed(consumer: Program): Promise<string | undefined> {
  return (await consumer.line(/^Payment (\S+) of customer 5 is processed\.$/m))[1];
}

/** Answers the id of the payment, where it is one. */
async function publish(command: 'p' | 'c', customerId: string): Promise<string | undefined> {
  const program = runExample(path, { folder, args: [command, customerId] });
  assert.equal(await program.ended, 0, program.output);
  return /^Published payment (\S+) of/.exec(program.output)?.[1];
}
