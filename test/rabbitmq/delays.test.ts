/** Delays on RabbitMQ: where a delayed message stands among those of its key, and long ones. */
import assert from 'node:assert/strict';
import type amqp from 'amqplib';
import type { ConformanceCase } from 'malote/testing';
import { drain } from '../../src/testing/conformance/flow.ts';
import { idsOf, messages, numbered } from '../../src/testing/conformance/settlements.ts';
import { runCases } from './engine-cases.ts';
import { namespaces } from './namespace.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

const minute = 60_000;

overRabbitmq((server) => {
  const all = namespaces(server);

  /** What the server does with the only message of a delay queue once its time is over. */
  async function expire(step: string): Promise<void> {
    const channel = await all.model.createConfirmChannel();
    const passed = await new Promise<amqp.ConsumeMessage>((resolve, reject) => {
      const take = (message: amqp.ConsumeMessage | null): void =>
        void (message && resolve(message));
      channel.consume(`${all.namespace}.later.${step}`, take).catch(reject);
    });
    const { fields, content, properties } = passed;
    channel.publish(`${all.namespace}.x`, fields.routingKey, content, { ...properties });
    await channel.waitForConfirms();
    channel.ack(passed);
    await channel.close();
  }

  const cases: readonly ConformanceCase[] = [
    {
      id: 'delayed-behind-backlog',
      promise: 'G5',
      title: 'a message that becomes due stands behind all of its key that was accepted before',
      needs: {},
      async run(harness) {
        const started = await harness.start();
        const { connection } = started;
        const ids = numbered('m', 1_200);
        await connection.publish(...messages('k', ids));
        await connection.publish({ id: 'late', key: 'k', delayMs: 5_000 });
        await harness.quiet();

        await harness.clock.advance(5_000);
        await harness.quiet();

        assert.deepEqual(idsOf(await drain(started, 1_201)), [...ids, 'late']);
      },
    },
    {
      id: 'delayed-in-steps',
      promise: 'G9',
      title: 'a delay passes on the server until its last ten minutes, for each subscription alone',
      needs: {},
      async run(harness) {
        const { connection, consumer } = await harness.start();
        await connection.subscribe({ name: 'other' });
        const other = connection.consume('other');
        await connection.publish({ id: 'm', key: 'k', delayMs: 25 * minute });
        consumer.grant(2);
        other.grant(2);

        await harness.clock.advance(10 * minute);
        await expire('10m');
        await harness.quiet();
        await harness.clock.advance(10 * minute);
        await expire('10m');
        await expire('10m');
        await harness.quiet();
        assert.deepEqual([consumer.pending(), other.pending()], [[], []]);
        await harness.clock.advance(5 * minute);

        assert.deepEqual([await consumer.next(1), await other.next(1)].flatMap(idsOf), ['m', 'm']);
        await harness.quiet();
        assert.deepEqual([consumer.pending(), other.pending()], [[], []]);
      },
    },
  ];

  runCases({ engine: all.engine, cases });
});
