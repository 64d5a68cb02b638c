/** Rows in a file and messages on a server: outbox and inbox of a store beside RabbitMQ. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Bus, createBus, dependency, message } from 'malote';
import { sqlite } from 'malote/sqlite';
import { test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { listenTo } from '../support/transitions.ts';
import { namespaces } from './namespace.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

const Placed = message<{ readonly n: number }>('order.placed', { orderBy: () => 'all' });
const customer = dependency('customer');
interface Payment {
  readonly paymentId: string;
  readonly customerId: string;
}
const PaymentRequested = message<Payment>('payment.requested', {
  orderBy: ({ customerId }) => customerId,
  waitFor: ({ customerId }) => customer(customerId),
  dedupe: ({ paymentId }) => paymentId,
});
const folder = temporaryFolder();

overRabbitmq((server) => {
  const all = namespaces(server);

  test('what commits with its row has its effect once and in order, what rolls back none', async () => {
    const subject = all.engine();
    const file = join(folder, 'shop.db');
    const db = new DatabaseSync(file);
    db.exec('create table placed (n integer); create table effect (n integer)');
    const store = sqlite(file);
    const settings = { name: 'shop', handleSignals: false, logger: false } as const;
    const open = async (): Promise<Bus<DatabaseSync>> => {
      const bus = createBus({ engine: subject.make(), store, ...settings });
      bus.consume(Placed, { name: 'shipping', inbox: true }, async ({ data }, ctx) => {
        await ctx.transaction(({ tx }) => {
          tx.prepare('insert into effect values (?)').run(data.n);
        });
      });
      await bus.start();
      return bus;
    };
    const told = listenTo('shop');
    const bus = await open();

    for (let n = 1; n <= 9; n++) {
      db.exec('begin immediate');
      db.prepare('insert into placed values (?)').run(n);
      await bus.publish(Placed, { n }, { tx: db, id: `order ${n}` });
      db.exec(n % 3 === 0 ? 'rollback' : 'commit');
    }
    await told.count('acked', 6);
    await bus.stop();
    // The server remembers no ids, nor does a process that did not see it done: the inbox does.
    const heir = await open();
    await using stranger = createBus({ engine: subject.make(), ...settings });
    await stranger.publish(Placed, { n: 1 }, { id: 'order 1' });
    await told.count('skipped', 1);
    const { duplicate } = await heir.publish(Placed, { n: 1 }, { id: 'order 1' });
    assert.equal(duplicate, true);
    await stranger.stop();
    await heir.stop();

    const numbers = (table: string): unknown[] =>
      db
        .prepare(`select n from ${table} order by rowid`)
        .all()
        .map(({ n }) => n);
    assert.deepEqual(numbers('placed'), [1, 2, 4, 5, 7, 8]);
    assert.deepEqual(numbers('effect'), [1, 2, 4, 5, 7, 8]);
    db.close();
    await subject.remove?.();
  });

  test('a payment that is requested twice, in whichever process, is booked once', async () => {
    const subject = all.engine();
    const store = sqlite(join(folder, 'ledger.db'));
    const settings = { name: 'ledger', handleSignals: false, logger: false } as const;
    const told = listenTo('ledger');
    const seen: string[] = [];
    await using worker = createBus({ engine: subject.make(), store, ...settings });
    worker.consume(PaymentRequested, { name: 'ledger' }, ({ data }) => {
      seen.push(data.paymentId);
    });
    await worker.start();
    await using publisher = createBus({ engine: subject.make(), store, ...settings });
    const pay = (bus: typeof worker, paymentId: string) =>
      bus.publish(PaymentRequested, { paymentId, customerId: '1' });

    const first = await pay(publisher, 'a');
    const again = await pay(worker, 'a');
    await pay(publisher, 'b');
    await told.count('waiting', 1);
    await publisher.fulfil(customer('1'));
    await told.count('acked', 2);

    assert.deepEqual(again, { id: first.id, duplicate: true });
    assert.deepEqual(seen, ['a', 'b']);
    await publisher.stop();
    await worker.stop();
    await subject.remove?.();
  });
});
