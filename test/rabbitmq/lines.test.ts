/** The connections of a process: how they are called, how many channels, and what goes silent. */
import assert from 'node:assert/strict';
import { type Bus, createBus, dependency, message } from 'malote';
import { rabbitmq } from 'malote/rabbitmq';
import { onTestFinished, test } from 'vitest';
import { startProxy } from '../support/proxy.ts';
import { listenTo } from '../support/transitions.ts';
import { behind, through } from './behind.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

const timeout = 60_000;
const Counted = message<{ number: number }>('counted', { orderBy: () => 'all' });
const fact = dependency('fact');
const Waiting = message<string>('waits', { waitFor: (id) => [fact(id)] });
const channelMax = 64;

overRabbitmq(
  (server) => {
    test('each connection is called by its namespace, its purpose and its process', {
      timeout,
    }, async () => {
      const engine = rabbitmq(server().url, { namespace: 'named', partitions: 2 });
      const bus = createBus({ engine, logger: false });
      await bus.publish(Counted, { number: 1 });

      const listed = await server().ctl('list_connections', 'client_properties');
      await bus.stop();

      for (const purpose of ['publish', 'consume']) {
        assert.ok(listed.includes(`"named ${purpose} ${process.pid}"`), listed);
      }
    });

    test.each([
      { purpose: 'publish', index: 0, during: 'INDETERMINATE' },
      { purpose: 'consume', index: 1, during: 'accepted' },
    ])(
      'a silent connection to $purpose is given up, and everything goes on',
      { timeout },
      async ({ purpose, index, during }) => {
        const proxy = await startProxy(server().port);
        const url = through(server(), proxy);
        const engine = rabbitmq(url, {
          namespace: `silent-${purpose}`,
          partitions: 2,
          heartbeat: '1s',
        });
        const bus = createBus({ engine, name: purpose, logger: false });
        const told = listenTo(purpose);
        const handled = new Set<number>();
        bus.consume(Counted, { name: 'counts' }, ({ data }) => void handled.add(data.number));
        onTestFinished(async () => {
          await bus.stop();
          await proxy.close();
        });
        await bus.start();
        await bus.publish(Counted, { number: 1 });
        await told.count('acked', 1);

        assert.equal(proxy.connections, 2);
        proxy.hush(index);
        const outcome = await bus.publish(Counted, { number: 2 }).then(
          () => 'accepted',
          (error: { readonly code: string }) => error.code,
        );
        await told.count('engine-trouble', 1);
        await bus.publish(Counted, { number: 3 });
        await told.until(() => handled.has(3));

        assert.equal(outcome, during);
        assert.equal(handled.has(2), during === 'accepted');
        const troubles = told.all.flatMap((event) =>
          event.kind === 'engine-trouble' ? [event.message] : [],
        );
        // Once, though publishing takes consuming along with it.
        const lost = troubles.filter((one) => one.includes('was lost'));
        assert.equal(lost.length, 1, troubles.join('\n'));
        assert.match(lost[0]!, /Heartbeat timeout/);
      },
    );

    test('a subscription with more queues than a connection has channels comes and goes', {
      timeout,
    }, async () => {
      const engine = rabbitmq(server().url, { namespace: 'wide', partitions: 40 });
      const bus = createBus({ engine, logger: false });
      onTestFinished(() => bus.stop());
      await bus.subscribe('counts', Counted);

      assert.equal(await bus.unsubscribe('counts'), true);
      await bus.subscribe('counts', Counted);
      assert.equal(await bus.unsubscribe('counts'), true);
    });

    const looks = {
      'the dead letters': async (bus: Bus) => (await bus.dead.list()).items.length,
      'the subscriptions': async (bus: Bus) => (await bus.subscriptions.list()).length,
    };
    test.each([
      { what: 'the dead letters', expected: 0 },
      { what: 'the subscriptions', expected: 1 },
    ] as const)(
      'who looks at $what while a connection ends is answered over the next one',
      { timeout },
      async ({ what, expected }) => {
        const proxy = await startProxy(server().port);
        const url = through(server(), proxy);
        const bus = createBus({ engine: rabbitmq(url, { namespace: 'looked-at' }), logger: false });
        onTestFinished(async () => {
          await bus.stop();
          await proxy.close();
        });
        await bus.subscribe('counts', Counted);

        const muted = proxy.mute();
        assert.equal(await looks[what](bus), expected);
        await muted;
      },
    );

    test('what waits with others is listed over the next connection as well', {
      timeout,
    }, async () => {
      const asking = Buffer.from('"kind":"question"');
      const one = await behind(server(), { which: 1, call: asking, fate: 'lost' });
      const engine = rabbitmq(server().url, { namespace: one.namespace, partitions: 2 });
      const holder = createBus({ engine, name: 'holder', logger: false, handleSignals: false });
      const told = listenTo('holder');
      onTestFinished(async () => {
        await one.bus.stop();
        await holder.stop();
      });
      holder.consume(Waiting, { name: 'waits' }, () => undefined);
      await holder.start();
      await holder.publish(Waiting, 'never');
      await told.count('waiting', 1);
      await one.bus.subscribe('others', Counted);

      const cut = new Promise<void>((resolve) => one.arm(resolve));
      const { items } = await one.bus.waiting.list();
      await cut;

      assert.equal(items.length, 1);
    });

    test('partitions that need more channels than a connection has are refused', {
      timeout,
    }, async () => {
      const engine = rabbitmq(server().url, { namespace: 'many', partitions: 30 });
      const bus = createBus({ engine, logger: false });
      bus.consume(Counted, { name: 'counts' }, () => undefined);

      const refused = await bus.start().then(
        () => null,
        (error: { readonly code: string; readonly message: string }) => error,
      );
      await bus.stop();

      assert.equal(refused?.code, 'OPTION_INVALID');
      assert.match(refused.message, /needs 78 channels, and the server allows 64.*channel_max/);
    });
  },
  { settings: [`channel_max = ${channelMax}`] },
);
