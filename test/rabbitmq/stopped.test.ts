/**
 * A process whose consumers have stopped has no part in their subscription, whenever they did: it
 * reads nothing that others could handle, not over a later connection either. Once one is back, it
 * has all of it again.
 */
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import type { ConformanceCase } from 'malote/testing';
import { drain } from '../../src/testing/conformance/flow.ts';
import type { Harness } from '../../src/testing/conformance/harness.ts';
import { ack, idsOf, messages, numbered } from '../../src/testing/conformance/settlements.ts';
import { runCases } from './engine-cases.ts';
import { namespaces } from './namespace.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

const total = 40;

overRabbitmq((server) => {
  const all = namespaces(server);

  async function othersAreGivenAll(harness: Harness): Promise<void> {
    const connection = await harness.open();
    const ids = numbered('m', total);
    const drafts = ids.map((id, index) => ({ id, key: index % 4 === 0 ? null : id }));
    await connection.publish(...drafts);
    const came = await drain({ connection, consumer: connection.consume() }, total);
    assert.deepEqual(idsOf(came).toSorted(), ids.toSorted());
  }

  /** The connections that consume in the namespace of the case. */
  async function consuming(): Promise<readonly string[]> {
    const listed = await server().ctl('list_connections', '--silent', 'pid', 'client_properties');
    const own = listed.split('\n').filter((line) => line.includes(`"${all.namespace} consume`));
    return own.map((line) => line.split('\t')[0]!);
  }

  const cases: readonly ConformanceCase[] = [
    {
      id: 'stopped-while-it-begins',
      promise: 'G10',
      title: 'stopped at any moment of its beginning',
      needs: {},
      async run(harness) {
        const { connection, consumer: first } = await harness.start();
        first.stop();
        for (let afterMs = 0; afterMs <= 40; afterMs += 4) {
          const consumer = connection.consume();
          consumer.grant(5);
          await pause(afterMs);
          consumer.stop();
          const beside = (await harness.open()).consume();
          beside.grant(5);
          await pause(afterMs);
          beside.stop();
        }
        await othersAreGivenAll(harness);
      },
    },
    {
      id: 'stopped-and-back',
      promise: 'G10',
      title: 'who comes back while an old delivery is at work is given the other keys at once',
      needs: {},
      async run(harness) {
        const { connection, consumer } = await harness.start();
        await connection.publish(...messages('a', ['old']));
        const old = await consumer.one();
        consumer.stop();
        const again = connection.consume();
        const ids = numbered('m', total);
        await connection.publish(...ids.map((id) => ({ id, key: id })));

        const came = await again.receive(total);
        await connection.settled(ack(old), ...came.map((one) => ack(one)));
        assert.deepEqual(idsOf(came).toSorted(), ids.toSorted());
      },
    },
    {
      id: 'stopped-before-a-cut',
      promise: 'G10',
      title: 'stopped before the connection was lost',
      needs: {},
      async run(harness) {
        const { consumer } = await harness.start();
        consumer.grant(5);
        await harness.quiet();
        consumer.stop();
        await harness.quiet();
        const [pid] = await consuming();
        await server().ctl('close_connection', pid!, 'gone');
        while ((await consuming()).filter((other) => other !== pid).length === 0) await pause(20);
        await harness.quiet();
        await othersAreGivenAll(harness);
      },
    },
  ];
  runCases({ engine: () => all.engine({ partitions: 4 }), cases });
});
