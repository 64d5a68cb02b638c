/**
 * What is at work while its key makes room, where its owner dies before the server has pushed it
 * the copies: nobody was ever given them, and still the death counts.
 */
import assert from 'node:assert/strict';
import type { ConformanceCase, EngineUnderTest } from 'malote/testing';
import type { Connection, Harness, Started } from '../../src/testing/conformance/harness.ts';
import {
  ack,
  idsOf,
  messages,
  numbered,
  retry,
} from '../../src/testing/conformance/settlements.ts';
import { runCases } from './engine-cases.ts';
import { namespaces } from './namespace.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

const window = 8;

/** Its first owner has its token and one copy, and is given nothing more of its side queue. */
const casesOf = (inSide: () => Promise<number>): readonly ConformanceCase[] => {
  const moving = async (harness: Harness, atWork: number): Promise<Started> => {
    const started = await harness.start();
    const { connection, consumer } = started;
    await connection.publish({ id: 'first', key: 'other' });
    await connection.settled(retry(await consumer.one(), 600_000));
    await connection.publish(...messages('k', numbered('m', window)));
    assert.deepEqual(idsOf(await consumer.upTo(atWork)), numbered('m', atWork));
    while ((await inSide()) < window) await harness.quiet();
    return started;
  };
  const tried = async (harness: Harness, dead: Connection): Promise<[string, number]> => {
    await harness.crash(dead);
    const { id, attempt } = await (await harness.start()).consumer.one();
    return [id, attempt];
  };
  return [
    {
      id: 'death-before-copies',
      promise: 'G8',
      title: 'what is at work is tried once more after a death, whoever was given its copy',
      needs: {},
      async run(harness) {
        const { connection } = await moving(harness, 1);

        assert.deepEqual(await tried(harness, connection), ['m1', 2]);
      },
    },
    {
      id: 'death-behind-a-copy',
      promise: 'G8',
      title: 'what was done while its copy was on its way is not taken for what never began',
      needs: {},
      async run(harness) {
        const { connection, consumer } = await moving(harness, 2);
        const [first] = consumer.received.slice(-2);
        await connection.settled(ack(first!));
        // The list of what is out is written anew.
        await connection.publish({ id: 'free' });
        assert.equal((await consumer.one()).id, 'free');

        assert.deepEqual(await tried(harness, connection), ['m1', 2]);
      },
    },
  ];
};

overRabbitmq((server) => {
  const all = namespaces(server);
  const engine = (): EngineUnderTest =>
    all.engine({ partitions: 1 }, { window, side: 2 }, { window });
  const cases = casesOf(() => all.ready('q.billing/s0'));
  runCases({ engine, cases, realMs: 8_000 });
});
