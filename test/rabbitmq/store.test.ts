/** Messages on a server and facts in a file: a store beside RabbitMQ. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createBus } from 'malote';
import { sqlite } from 'malote/sqlite';
import { onTestFinished, test } from 'vitest';
import { type Child, createFleet, type Notice } from '../crash/fleet.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { listenTo } from '../support/transitions.ts';
import { customer, Paid, Registered } from './child-ledger.ts';
import { namespaces } from './namespace.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

const folder = temporaryFolder();
const quiet = { handleSignals: false, logger: false } as const;

overRabbitmq((server) => {
  const all = namespaces(server);

  test('a fact holds for every service of its store, whatever server its messages are on', async () => {
    const store = sqlite(join(folder, 'shared.db'));
    const [here, there] = [all.engine(), all.engine()];
    const told = listenTo('here');
    const seen: string[] = [];
    await using bus = createBus({ engine: here.make(), store, name: 'here', ...quiet });
    bus.consume(Paid, { name: 'ledger' }, ({ data }) => void seen.push(data.customerId));
    await bus.start();
    await using other = createBus({ engine: there.make(), store, name: 'there', ...quiet });

    await bus.publish(Paid, { customerId: 'waits', n: 1 });
    await told.count('waiting', 1);
    await other.fulfil(customer('waits'), customer('first'));
    await told.count('acked', 1);
    await bus.publish(Paid, { customerId: 'first', n: 1 });
    await told.count('acked', 2);
    await other.revoke(customer('first'));
    await bus.publish(Paid, { customerId: 'first', n: 2 });
    await told.count('waiting', 2);
    await bus.fulfil(customer('first'));
    await told.count('acked', 3);

    assert.deepEqual(seen, ['waits', 'first', 'first']);
    await Promise.all([bus.stop(), other.stop()]);
    await Promise.all([here.remove?.(), there.remove?.()]);
  });

  test('payments of customers that register while workers are killed are all handled, in order', {
    timeout: 90_000,
  }, async () => {
    const subject = all.engine();
    const file = join(folder, 'killed.db');
    const fleet = createFleet();
    onTestFinished(() => fleet.end());
    const children: Child[] = [];
    /** As they came from all of them. */
    const paid: string[] = [];
    let allPaid = (): void => {};
    const over = new Promise<void>((resolve) => void (allPaid = resolve));
    const customers = Array.from({ length: 24 }, (_, index) => `c${index}`);
    const payments = customers.flatMap((customerId) => [1, 2, 3].map((n) => ({ customerId, n })));
    const setup = { url: server().url, namespace: subject.namespace, store: file };
    const start = async (): Promise<Child> => {
      const child = fleet.start('../rabbitmq/child-ledger.ts', `worker ${children.length}`, setup);
      children.push(child);
      child.process.on('message', (notice) => {
        const { kind, label } = notice as Notice;
        if (kind === 'paid') paid.push(label!);
        if (new Set(paid).size === payments.length) allPaid();
      });
      await child.noticesOf('started', 1);
      return child;
    };
    const living = [await start(), await start()];
    await using bus = createBus({ engine: subject.make(), store: sqlite(file), ...quiet });
    await bus.publishMany(Paid, payments);

    for (const [index, customerId] of customers.entries()) {
      await bus.publish(Registered, { customerId });
      if (index % 6 !== 3) continue;
      const dying = living.shift()!;
      dying.signal('SIGKILL');
      await dying.ended;
      living.push(await start());
    }
    await over;

    for (const customerId of customers) {
      const its = new Set(paid.filter((label) => label.startsWith(`${customerId} `)));
      assert.deepEqual(
        [...its],
        [1, 2, 3].map((n) => `${customerId} ${n}`),
      );
    }
    await bus.stop();
    await fleet.end();
    await subject.remove?.();
  });
});
