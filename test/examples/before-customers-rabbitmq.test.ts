/** Payments before customers on RabbitMQ alone: no file and no database between the processes. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { overRabbitmq } from '../rabbitmq/over-rabbitmq.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { assertPrintsItsComment, type Program, runExample } from './program.ts';

const path = 'before-customers/main.ts';
const folder = temporaryFolder();
/** Three programs, one after the other, on a crowded machine. */
const timeout = 60_000;

overRabbitmq((server) => {
  function run(...args: readonly string[]): Program {
    return runExample(path, { folder, args, environment: { MALOTE_ENGINE: server().url } });
  }

  async function consume(...options: readonly string[]): Promise<Program> {
    const consumer = run('consumer', ...options);
    await consumer.line(/^Consuming/m);
    return consumer;
  }

  const publish = (command: 'p' | 'c', customerId: string): Promise<string | undefined> =>
    published(command, customerId);

  async function published(...words: readonly string[]): Promise<string | undefined> {
    const program = run(...words);
    assert.equal(await program.ended, 0, program.output);
    return /^Published payment (\S+) of/.exec(program.output)?.[1];
  }

  test('a payment waits for its customer, and is processed at the registration', {
    timeout,
  }, async () => {
    const consumer = await consume();
    await published('producer', 'p', '5');
    await consumer.line(/^Payment .* of customer 5 arrived; .* it waits\.$/m);
    assert.doesNotMatch(consumer.output, /processed/);

    await published('producer', 'c', '5');
    await consumer.line(/^Payment .* of customer 5 is processed\.$/m);

    await consumer.interrupt();
    assertPrintsItsComment(path, consumer.output);
  });

  test('a killed consumer loses nothing: the next one goes on, in order', { timeout }, async () => {
    const killed = await consume();
    const first = await publish('p', '6');
    await killed.line(/of customer 6 arrived/);
    killed.kill('SIGKILL');
    await killed.ended;
    const second = await publish('p', '6');
    await publish('c', '6');

    const consumer = await consume();
    await consumer.lines(/^Payment .* of customer 6 is processed\.$/gm, 2);

    const payments = [...consumer.output.matchAll(/^Payment (\S+) of customer 6 is processed/gm)];
    assert.deepEqual(
      payments.map((match) => match[1]),
      [first, second],
    );
    await consumer.interrupt();
  });

  test('a customer once registered is known to every later consumer', { timeout }, async () => {
    const consumer = await consume();
    const payment = await publish('p', '6');

    const line = await consumer.line(/^Payment (\S+) of customer 6 is processed\.$/m);

    assert.equal(line[1], payment);
    await consumer.interrupt();
  });
});
