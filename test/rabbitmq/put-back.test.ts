/**
 * Messages without a key that one process has no slot for, and another has: they go back, as ones
 * that nobody has worked on, and there is one of each at every moment.
 */
import assert from 'node:assert/strict';
import type { ConformanceCase } from 'malote/testing';
import type { Harness, Started } from '../../src/testing/conformance/harness.ts';
import {
  ack,
  idsOf,
  numbered,
  usualSubscription,
} from '../../src/testing/conformance/settlements.ts';
import { runCases } from './engine-cases.ts';
import { namespaces } from './namespace.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

const shared = `q.${usualSubscription}/u`;
const ids = numbered('m', 10);
/** Longer than what finds no slot is kept. */
const longMs = 1_500;

overRabbitmq((server) => {
  const all = namespaces(server);

  /** A process with one message at work and eight more that it has no slot for. */
  async function busy(harness: Harness): Promise<Started> {
    const started = await harness.start({ slots: 1 });
    const { connection, consumer } = started;
    consumer.grant(2);
    await harness.quiet();
    await connection.publish(...ids.map((id) => ({ id, key: null })));
    const [first] = await consumer.next(2);
    while ((await all.ready(shared)) > 0) await harness.quiet();
    await connection.settled(ack(first!));
    return started;
  }

  const idle = ids.slice(2);

  const cases: readonly ConformanceCase[] = [
    {
      id: 'put-back',
      promise: 'G12',
      title: 'what finds no slot here goes to whoever has one, also where this process owns places',
      needs: {},
      async run(harness) {
        await busy(harness);
        const other = (await harness.open()).consume();
        other.grant(idle.length);
        await harness.clock.advance(longMs);

        const received = await other.next(idle.length);

        assert.deepEqual(idsOf(received).toSorted(), idle.toSorted());
        assert.ok(received.every(({ attempt }) => attempt === 1));
      },
    },
    {
      id: 'put-back-before-a-death',
      promise: 'G8',
      title: 'who dies with what somebody else had put back has tried it, and moves nothing twice',
      needs: {},
      async run(harness) {
        const { connection } = await busy(harness);
        const other = await harness.open();
        const consumer = other.consume();
        consumer.grant(idle.length);
        await harness.clock.advance(longMs);
        await consumer.next(idle.length);

        await harness.crash(other);
        await connection.close();
        const last = (await harness.open()).consume();
        const received = await last.receive(idle.length + 1);
        await last.nothing();

        const tried = received.filter(({ attempt }) => attempt === 2);
        assert.deepEqual(idsOf(tried).toSorted(), idle.toSorted());
        assert.deepEqual(idsOf(received).toSorted(), ids.slice(1).toSorted());
      },
    },
    {
      id: 'death-while-putting-back',
      promise: 'G6',
      title: 'who dies while it puts messages back leaves one of each',
      needs: {},
      async run(harness) {
        const { connection } = await busy(harness);
        const seen: string[] = [];
        const channel = await all.model.createChannel();
        const look = (message: { properties: { messageId?: unknown } } | null): void => {
          if (seen.length === 0) connection.abandon();
          if (message !== null) seen.push(String(message.properties.messageId));
        };
        await channel.consume(`${all.namespace}.${shared}`, look, { noAck: true });

        await harness.clock.advance(longMs);
        const left = ids.slice(1);
        await harness.until(
          () => left.every((id) => seen.includes(id)),
          () => `not all came back: ${seen.join()}`,
        );
        await harness.quiet();

        assert.deepEqual(seen.toSorted(), left.toSorted());
        await channel.close();
      },
    },
  ];

  runCases({ engine: () => all.engine(), cases });
});
