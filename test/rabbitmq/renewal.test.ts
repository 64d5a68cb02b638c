/** What is held for long: a server ends the connection of who leaves a message unacknowledged. */
import assert from 'node:assert/strict';
import type { ConformanceCase } from 'malote/testing';
import { drain } from '../../src/testing/conformance/flow.ts';
import { ack, idsOf, messages } from '../../src/testing/conformance/settlements.ts';
import { runCases } from './engine-cases.ts';
import { namespaces } from './namespace.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

const cases: readonly ConformanceCase[] = [
  {
    id: 'partition-renewed',
    promise: 'G14',
    title: 'a partition that is held for long is taken anew, and what waits in it keeps its place',
    needs: {},
    async run(harness) {
      const started = await harness.start({ waitingDeadlineMs: 86_400_000 });
      const { connection, consumer } = started;
      await connection.publish({ id: 'waits', key: 'k', facts: ['customer:1'] });
      await connection.publish(...messages('k', ['behind']), ...messages('other', ['early']));
      const early = await consumer.one();
      await connection.settled(ack(early));

      await harness.clock.advance(20 * 60_000);
      await harness.quiet();
      await connection.publish(...messages('other', ['late']));
      const late = await consumer.one();
      await connection.settled(ack(late));

      assert.deepEqual(idsOf([early, late]), ['early', 'late']);
      assert.ok(epochOf(late.lease.token) > epochOf(early.lease.token));
      await connection.fulfil('customer:1');
      const rest = await drain(started, 2);
      assert.deepEqual(idsOf(rest), ['waits', 'behind']);
      assert.ok(rest.every(({ attempt, suspicion }) => attempt === 1 && suspicion === 'none'));
    },
  },
];

function epochOf(token: number): number {
  return Math.floor((token - 2 ** 52) / 2 ** 31);
}

overRabbitmq((server) => {
  runCases({ engine: namespaces(server).engine, cases, quietMs: 100 });
});
