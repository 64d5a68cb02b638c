/** The command line over a RabbitMQ server: each command is a process that only looks, and goes. */
import assert from 'node:assert/strict';
import { createBus, dependency, fixed, message } from 'malote';
import { rabbitmq } from 'malote/rabbitmq';
import { test } from 'vitest';
import { exporting, malote, projectIn } from '../cli/project.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { listenTo } from '../support/transitions.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

const timeout = 120_000;
const folder = temporaryFolder();
const customer = dependency('customer');
interface Payment {
  readonly amount: string;
  readonly customerId?: string;
}
const Paid = message<Payment>('payment.requested', {
  orderBy: ({ customerId }) => customerId ?? 'nobody',
  waitFor: ({ customerId }) => (customerId === undefined ? [] : customer(customerId)),
});

overRabbitmq((server) => {
  test('publishes, counts, shows what waits and what is dead, and sends it back', {
    timeout,
  }, async () => {
    const { url } = server();
    const engine = rabbitmq(url, { namespace: 'command', partitions: 2 });
    const named = `rabbitmq('${url}', { namespace: 'command', partitions: 2 })`;
    const cwd = projectIn(folder, 'command', exporting(named));
    const bus = createBus({ engine, name: 'command', logger: false, handleSignals: false });
    const told = listenTo('command');
    let isOpen = false;
    const retry = { attempts: 2, backoff: fixed(1) };
    bus.consume(Paid, { name: 'ledger', retry }, () => {
      if (!isOpen) throw new RangeError('no money');
    });
    await bus.start();
    const say = async (...args: readonly string[]): Promise<unknown> => {
      const { status, stdout, stderr } = await malote([...args, '--json'], { cwd });
      assert.equal(status, 0, `${args.join(' ')}: ${stderr}`);
      return JSON.parse(stdout);
    };

    const waiting = '{"amount":"1","customerId":"5"}';
    await say('publish', 'payment.requested', waiting, '--id', 'waits');
    await say('publish', 'payment.requested', '{"amount":"2"}', '--id', 'fails');
    await told.count('dead', 1);
    await told.count('waiting', 1);
    const waits = (await say('waiting')) as Record<string, unknown>[];
    const dead = (await say('dead', 'list')) as Record<string, unknown>[];
    const [counted] = (await say('subscriptions')) as { name: string; stats: object }[];
    isOpen = true;
    const sent = await say('dead', 'redrive', 'fails');
    await told.count('acked', 1);

    assert.deepEqual(
      waits.map(({ id, subscription, waitingFor }) => [id, subscription, waitingFor]),
      [['waits', 'ledger', ['customer:5']]],
    );
    assert.deepEqual(
      dead.map(({ id, reason, attempts, body }) => [id, reason, attempts, body]),
      [['fails', 'attempts-exhausted', 2, '{"amount":"2"}']],
    );
    assert.equal(counted?.name, 'ledger');
    const { depth, waiting: waitingNow, dead: deadNow } = counted.stats as Record<string, number>;
    assert.deepEqual([depth, waitingNow, deadNow], [1, 1, 1]);
    assert.deepEqual(sent, { redriven: 1 });
    assert.deepEqual(await say('dead', 'list'), []);
    await bus.stop();
  });

  test('makes nothing of a misspelt namespace, and the doctor says that it is not there', {
    timeout,
  }, async () => {
    const named = `rabbitmq('${server().url}', { namespace: 'misspelt' })`;
    const cwd = projectIn(folder, 'misspelt', exporting(named));
    const made = async (): Promise<boolean> =>
      (await server().ctl('list_queues', 'name')).includes('misspelt');

    for (const args of [['subscriptions'], ['waiting'], ['dead', 'list'], ['dead', 'show', 'x']]) {
      const { status, stderr } = await malote(args, { cwd });
      assert.match(
        stderr,
        /^malote: namespace "misspelt" must exist on amqp:.*ENGINE_UNREACHABLE/m,
      );
      assert.equal(status, 5, args.join(' '));
    }
    const { status, stdout } = await malote(['doctor'], { cwd });
    assert.match(stdout, /warning: namespace "misspelt" is not there yet: whoever publishes /);
    assert.equal(status, 0);
    assert.equal(await made(), false);
  });
});
