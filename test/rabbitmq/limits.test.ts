/**
 * What an owner holds back has a limit, and what comes beyond it waits elsewhere: nothing is lost,
 * nothing is stuck, order holds. The limits of the engine are small here.
 */
import assert from 'node:assert/strict';
import type { ConformanceCase, EngineUnderTest } from 'malote/testing';
import { drain, untilWaiting } from '../../src/testing/conformance/flow.ts';
import type { Started } from '../../src/testing/conformance/harness.ts';
import {
  ack,
  deadLetter,
  idsOf,
  messages,
  numbered,
  retry,
} from '../../src/testing/conformance/settlements.ts';
import type { Delivery } from '../../src/transport/transport.ts';
import { runCases } from './engine-cases.ts';
import { namespaces } from './namespace.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

const minute = 60_000;
const partitions = 2;
const limits = { away: 20, held: 30, side: 90, window: 20, redriveLetters: 10 };
/** More than all owners may hold. */
const many = 2 * partitions * limits.side;
const facts = ['customer:1'];

overRabbitmq((server) => {
  const all = namespaces(server);

  /** How many went away for so long; the queue is made for the first of them. */
  async function gone(step: string): Promise<number> {
    const looking = await all.model.createChannel();
    looking.on('error', () => undefined);
    try {
      const { messageCount } = await looking.checkQueue(`${all.namespace}.later.${step}`);
      await looking.close();
      return messageCount;
    } catch (error) {
      if (!/NOT_FOUND/.test(String(error))) throw error;
      return 0;
    }
  }

  /** What the server does with the messages of a delay queue once their time is over. */
  async function expire(step: string): Promise<number> {
    const queue = `${all.namespace}.later.${step}`;
    const passing = await all.ready(`later.${step}`);
    const taking = await all.model.createConfirmChannel();
    let left = passing;
    await new Promise<void>((resolve, reject) => {
      if (left === 0) resolve();
      taking
        .consume(queue, (passed) => {
          if (passed === null || left === 0) return;
          left -= 1;
          const { fields, content, properties } = passed;
          taking.publish(`${all.namespace}.x`, fields.routingKey, content, { ...properties }, () =>
            taking.ack(passed),
          );
          if (left === 0) taking.waitForConfirms().then(resolve, reject);
        })
        .catch(reject);
    });
    await taking.close();
    return passing;
  }

  /** Receives and acks so many, while the shortest delay passes for what finds no room yet. */
  async function drainPassing(
    { connection, consumer }: Started,
    count: number,
  ): Promise<Delivery[]> {
    consumer.grant(count);
    const done: Delivery[] = [];
    while (done.length < count) {
      const batch = consumer.pending();
      await connection.settled(...batch.map((delivery) => ack(delivery)));
      done.push(...batch);
      if (batch.length === 0) await expire('10s');
    }
    return done;
  }

  const cases: readonly ConformanceCase[] = [
    {
      id: 'limit-of-waiting-keys',
      promise: 'G12',
      title: 'more keys wait than may be held: new ones stand in their queue, and keep their order',
      needs: {},
      async run(harness) {
        const started = await harness.start();
        const { connection } = started;
        const keys = numbered('k', many);
        const ids = keys.flatMap((key) => [`${key} a`, `${key} b`]);
        await connection.publish(...keys.map((key) => ({ id: `${key} a`, key, facts })));
        await connection.publish(...keys.flatMap((key) => messages(key, [`${key} b`])));
        const told = (): boolean =>
          connection.events.some(
            (one) => one.kind === 'engine-trouble' && one.code === 'QUEUE_FULL',
          );
        while (!told()) await harness.quiet();
        await harness.quiet();

        const most = partitions * (limits.held + 2 * limits.window);
        const inMain = await all.ready('q.billing/p0', 'q.billing/p1');
        assert.ok(inMain >= 2 * many - most, `${inMain} stand on the server`);

        await connection.fulfil(...facts);
        const received = idsOf(await drain(started, 2 * many));
        assert.deepEqual(received.toSorted(), ids.toSorted());
        for (const key of keys) {
          assert.ok(received.indexOf(`${key} a`) < received.indexOf(`${key} b`), key);
        }
      },
    },
    {
      id: 'limit-of-waiting-messages',
      promise: 'G12',
      title: 'more messages without a key wait than may be held: the rest waits on the server',
      needs: {},
      async run(harness) {
        const started = await harness.start({ waitingDeadlineMs: 60 * minute });
        const { connection } = started;
        const ids = numbered('m', many);
        await connection.publish(...ids.map((id) => ({ id, facts })));
        await connection.publish(...messages('k', ['free']));
        assert.deepEqual(idsOf(await drain(started, 1)), ['free']);
        // The server pushes what is asked for.
        started.consumer.grant(many);
        let away = 0;
        // No more than what may be held stays.
        for (let before = -1; away < many - partitions * limits.held || away > before; ) {
          await harness.quiet();
          [before, away] = [away, await gone('10m')];
        }

        await connection.fulfil(...facts);
        const first = await drain(started, many - away, many);
        await harness.clock.advance(10 * minute);
        assert.equal(await expire('10m'), away);
        const rest = await drainPassing(started, away);

        assert.deepEqual(idsOf([...first, ...rest]).toSorted(), ids.toSorted());
        assert.ok([...first, ...rest].every(({ attempt }) => attempt === 1));
      },
    },
    {
      id: 'limit-taken-over',
      promise: 'G2',
      title:
        'a side queue with more than its owner may hold is taken over, and its partition goes on',
      needs: {},
      async run(harness) {
        const first = await harness.open();
        await first.subscribe({});
        const ids = numbered('d', many);
        await first.publish(...ids.map((id) => ({ id, key: id, delayMs: 5 * minute })));
        const sides = await all.ready('q.billing/s0', 'q.billing/s1');
        assert.ok(sides >= many, `${sides} stand in the side queues`);

        const started = await harness.start();
        const { connection } = started;
        await connection.publish(...numbered('f', 8).map((id) => ({ id, key: id })));
        assert.equal((await drain(started, 8)).length, 8);
        assert.ok(connection.events.every(({ kind }) => kind !== 'engine-trouble'));
        await harness.clock.advance(5 * minute);
        await harness.quiet();
        started.consumer.grant(many);
        while ((await expire('1m')) > 0) await harness.quiet();

        assert.deepEqual(idsOf(await drain(started, many, many)).toSorted(), ids.toSorted());
      },
    },
    {
      id: 'limit-of-retries',
      promise: 'G12',
      title: 'more messages are retried than may be held: each comes again, none before its time',
      needs: {},
      async run(harness) {
        const started = await harness.start();
        const { connection, consumer } = started;
        const ids = numbered('m', 300);
        await connection.publish(...ids.map((id) => ({ id })));
        consumer.grant(300);
        let retried = 0;
        while (retried < 300) {
          const batch = [...(await consumer.next(1)), ...consumer.pending()];
          await connection.settled(...batch.map((one) => retry(one, 2 * minute)));
          retried += batch.length;
        }
        consumer.grant(300);
        while ((await gone('1m')) < 300 - partitions * limits.away) await harness.quiet();
        assert.deepEqual(consumer.pending(), []);
        await harness.clock.advance(2 * minute);
        await harness.quiet();
        const again = [...consumer.pending()];
        await connection.settled(...again.map((delivery) => ack(delivery)));
        assert.ok((await expire('1m')) > 0, 'all of them were held');
        const rest = await drainPassing(started, 300 - again.length);

        assert.deepEqual(idsOf([...again, ...rest]).toSorted(), ids.toSorted());
        assert.ok([...again, ...rest].every(({ attempt }) => attempt === 2));
      },
    },
    {
      id: 'limit-of-what-was-kept',
      promise: 'G12',
      title: 'more was kept for a subscription with an order than may be held: refused, by name',
      needs: {},
      async run(harness) {
        const connection = await harness.open();
        const kept = numbered('k', 4 * limits.held);
        await connection.publish(...kept.map((id) => ({ id, key: id })));

        const full = { code: 'QUEUE_FULL', message: /more messages are kept.*from: 'now'/ };
        await assert.rejects(connection.subscribe({}), full);
        await assert.rejects(connection.subscribe({}), full);
        await connection.subscribe({ name: 'loose', order: 'none' });
        const loose = { connection, consumer: connection.consume('loose') };

        assert.deepEqual(idsOf(await drain(loose, kept.length)).toSorted(), kept.toSorted());
      },
    },
    {
      id: 'limit-of-redriven-keys',
      promise: 'G12',
      title:
        'more dead letters of keys are sent back than may be held: the rest stays dead, by name',
      needs: {},
      async run(harness) {
        const started = await harness.start();
        const { connection, consumer } = started;
        const ids = numbered('m', 4 * limits.held);
        await connection.publish(...ids.map((id) => ({ id, key: id })));
        consumer.grant(ids.length);
        for (let dead = 0; dead < ids.length; ) {
          const batch = [...(await consumer.next(1)), ...consumer.pending()];
          await connection.settled(...batch.map((delivery) => deadLetter(delivery)));
          dead += batch.length;
        }

        // Nobody asks for them, so nobody makes room.
        const query = { all: true, subscription: 'billing' } as const;
        const full = { code: 'QUEUE_FULL', message: /no room.*send back the rest/ };
        await assert.rejects(connection.store.redrive(query), full);
        const { dead } = (await connection.view()).stats;
        assert.ok(dead >= ids.length - partitions * (limits.held + 1) && dead < ids.length);
        const first = await drain(started, ids.length - dead);
        const redriving = connection.store.redrive(query);
        const rest = await drain(started, dead);

        assert.equal(await redriving, dead);
        assert.deepEqual(idsOf([...first, ...rest]).toSorted(), ids.toSorted());
      },
    },
    {
      id: 'full-with-what-is-held',
      promise: 'G11',
      title:
        'a subscription is full with what its owners hold, and takes messages again after them',
      needs: {},
      async run(harness) {
        const maxDepth = 40;
        const started = await harness.start({ maxDepth });
        const { connection } = started;
        const ids = numbered('w', maxDepth / 2);
        await connection.publish(...ids.map((id) => ({ id, key: id, facts })));
        await untilWaiting(connection, ids.length);

        // Figures are a second old at the most: by then, what is held has filled it.
        let accepted = ids.length;
        for (;;) {
          const [outcome] = await connection.offer({ id: `x${accepted}`, key: 'x', facts });
          if (outcome?.kind === 'full') break;
          accepted += 1;
          await harness.quiet();
        }
        // Without what is held, it would take as many more as owners hold.
        assert.ok(accepted <= 2 * maxDepth, `took ${accepted}`);

        await connection.fulfil(...facts);
        await drain(started, accepted);
        for (;;) {
          const [outcome] = await connection.offer({ id: 'again' });
          if (outcome?.kind === 'stored') break;
          await harness.quiet();
        }
      },
    },
  ];

  const engine = (): EngineUnderTest => all.engine({ partitions }, limits);
  runCases({ engine, cases, realMs: 12_000, quietMs: 60 });
});
