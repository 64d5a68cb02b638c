/**
 * An unsubscribe that is cut off in the middle: it is finished by this process or another one, a
 * later subscription of the same name is spared, and what is gone stays gone.
 */
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { type Bus, createBus, message } from 'malote';
import { rabbitmq } from 'malote/rabbitmq';
import { onTestFinished, test } from 'vitest';
import type { SubscriptionRecord } from '../../src/transports/rabbitmq/registry.ts';
import { lengthOf } from '../../src/transports/rabbitmq/topology.ts';
import { startProxy } from '../support/proxy.ts';
import { type Behind, behind, codeOf, type Ending, through } from './behind.ts';
import { namespaces } from './namespace.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

const Note = message<{ readonly n: number }>('note');
const Letter = message<{ readonly n: number }>('letter');
/** Class and method, as they stand in a frame. */
const deletingQueue = Buffer.from([0, 50, 0, 40]);

overRabbitmq((server) => {
  const all = namespaces(server);

  async function cutOff(
    lease: Ending['lease'] & string,
    fate: Ending['fate'] & string = 'last',
  ): Promise<Behind> {
    const one = await behind(server(), { which: 1, call: deletingQueue, lease, fate });
    onTestFinished(async () => {
      await one.bus.stop();
      await one.proxy.close();
    });
    await one.bus.subscribe('notes', Note);
    return one;
  }

  function busOf(url: string, namespace: string, lease: '1s' | '20s' = '1s'): Bus {
    const engine = rabbitmq(url, { namespace, partitions: 2 });
    const bus = createBus({ engine, lease, logger: false, handleSignals: false });
    onTestFinished(() => bus.stop());
    return bus;
  }

  /** The queues of subscriptions in a namespace. */
  async function standing(namespace: string): Promise<string> {
    const queues = (await server().ctl('list_queues', '--silent', 'name')).split('\n');
    return queues.filter((name) => name.startsWith(`${namespace}.q.`)).join(' ');
  }

  test.each(['last', 'lost'] as const)(
    'cut off while it deletes, it is finished over the next connection (%s)',
    async (fate) => {
      const { bus, namespace, arm } = await cutOff('2s', fate);
      arm();

      assert.equal(await bus.unsubscribe('notes'), true);

      assert.equal(await standing(namespace), '');
    },
  );

  test.each(['before', 'after'])(
    'what a process died amid is finished by one that started %s it',
    async (when) => {
      const { bus, proxy, namespace, arm } = await cutOff('2s');
      const other = busOf(server().url, namespace);
      if (when === 'before') await other.publish(Note, { n: 1 });
      const cut = new Promise<void>((resolve) => {
        arm(() => void proxy.close().then(resolve));
      });
      const code = bus.unsubscribe('notes').then(String, codeOf);
      await cut;
      // Looked at by the quickest way: a lease later it may be gone.
      assert.notEqual(await lengthOf(all.model, `${namespace}.q.notes/dead`), null);
      assert.match(await code, /^(INDETERMINATE|ENGINE_UNREACHABLE)$/);

      if (when === 'after') await other.publish(Note, { n: 1 });
      while ((await standing(namespace)) !== '') await pause(20);

      await other.publish(Note, { n: 2 });
      const handled = new Promise<number>((resolve) => {
        other.consume(Note, { name: 'later' }, ({ data }) => resolve(data.n));
      });
      await other.start();
      assert.equal(await handled, 2);
    },
  );

  test('a change that is cut off before it is written down is taken back as a whole', async () => {
    const written = Buffer.from('"state":"subscribed"');
    const one = await behind(server(), { which: 2, call: written, fate: 'lost' });
    const other = busOf(server().url, one.namespace);
    await one.bus.subscribe('notes', Note);
    one.arm(() => void one.proxy.close());
    const code = await one.bus
      .subscribe('notes', [Note, Letter], { replace: true })
      .then(String, codeOf);
    assert.match(code, /^(INDETERMINATE|ENGINE_UNREACHABLE)$/);
    await one.bus.stop();

    await other.subscribe('notes', Note);
    await other.publish(Letter, { n: 1 });
    await other.publish(Note, { n: 2 });
    const stats = async (): Promise<readonly string[]> =>
      (await other.subscriptions.list()).map((each) => `${each.name} ${each.stats.depth}`);
    assert.deepEqual(await stats(), ['notes 1']);
    await other.subscribe('letters', Letter);
    assert.deepEqual(await stats(), ['notes 1', 'letters 1']);
  });

  test('the registry is deleted, and the connection ends while it is written anew', async () => {
    const written = Buffer.from('{"name":"notes"');
    const { bus, namespace, arm } = await behind(server(), {
      which: 1,
      call: written,
      fate: 'lost',
    });
    onTestFinished(() => bus.stop());
    await bus.subscribe('notes', Note);
    const channel = await all.model.createChannel();
    const cut = new Promise<void>((resolve) => arm(resolve));
    await channel.deleteQueue(`${namespace}.registry`);
    await cut;
    await channel.close();

    const names = async (): Promise<string> =>
      (await bus.subscriptions.list()).map(({ name }) => name).join();
    assert.equal(await names().catch(names), 'notes');
  });

  test('asked once more, it spares who has subscribed meanwhile', async () => {
    const { bus, proxy, namespace, arm } = await cutOff('20s');
    const other = busOf(server().url, namespace);
    const cut = new Promise<void>((resolve) => {
      arm(() => void proxy.close().then(resolve));
    });
    const asked = bus.unsubscribe('notes');
    await cut;
    await other.subscribe('notes', Note);
    const again = await startProxy(server().port, undefined, proxy.port);
    onTestFinished(() => again.close());

    assert.equal(await asked, true);

    assert.notEqual(await standing(namespace), '');
    assert.deepEqual(
      (await other.subscriptions.list()).map(({ name }) => name),
      ['notes'],
    );
  });

  test('what is put back while it is unsubscribed stays gone', async () => {
    const namespace = 'put-back';
    let tried: () => void = () => undefined;
    let record = '';
    const proxy = await startProxy(server().port, (chunk) => {
      if (chunk.includes(`${namespace}.lock`)) tried();
      record = /\{"name":"notes".*?"generation":"[^"]+"\}/.exec(chunk.toString())?.[0] ?? record;
      return 'passes';
    });
    const bus = busOf(through(server(), proxy), namespace, '20s');
    onTestFinished(() => proxy.close());
    await bus.subscribe('notes', Note);
    const channel = await all.model.createConfirmChannel();
    await channel.assertQueue(`${namespace}.lock`, { exclusive: true, durable: false });
    await channel.deleteQueue(`${namespace}.q.notes/dead`);
    const waits = new Promise<void>((resolve) => (tried = resolve));

    const looking = bus.dead.list();
    await waits;
    const known = JSON.parse(record) as SubscriptionRecord;
    const gone: SubscriptionRecord = { ...known, state: 'gone' };
    const properties = { persistent: true, messageId: 'gone' };
    channel.sendToQueue(`${namespace}.registry`, Buffer.from(JSON.stringify(gone)), properties);
    await channel.waitForConfirms();
    await channel.deleteQueue(`${namespace}.lock`);

    assert.deepEqual((await looking).items, []);
    assert.doesNotMatch(await standing(namespace), /notes.dead/);
    await channel.close();
  });
});
