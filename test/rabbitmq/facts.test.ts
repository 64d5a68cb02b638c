/** Facts have an age and a number that every process agrees on. The limit is small here. */
import assert from 'node:assert/strict';
import type { ConformanceCase } from 'malote/testing';
import { ack, idsOf, numbered } from '../../src/testing/conformance/settlements.ts';
import { runCases } from './engine-cases.ts';
import { namespaces } from './namespace.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

const most = 5;
const full = { code: 'ENGINE_FULL', message: /5 facts hold.*revoke.*keepFacts/ };

const cases: readonly ConformanceCase[] = [
  {
    id: 'facts-age',
    promise: 'G7',
    title: 'a fact that is older than it is kept holds for no process, the oldest as the newest',
    needs: {},
    async run(harness) {
      const old = await harness.start();
      await old.connection.fulfil('customer:old', 'customer:again');
      await harness.clock.advance(6 * 60_000);
      await old.connection.fulfil('customer:new', 'customer:again');
      await harness.clock.advance(6 * 60_000);
      const young = await harness.open();
      await young.subscribe({ name: 'young', from: 'now' });

      const consumers = [old.consumer, young.consume('young')];
      const ids = ['old', 'new', 'again'];
      await young.publish(...ids.map((id) => ({ id, key: id, facts: [`customer:${id}`] })));
      for (const consumer of consumers) {
        assert.deepEqual(idsOf(await consumer.receive(2)).toSorted(), ['again', 'new']);
        consumer.grant(1);
        await consumer.nothing();
      }
      await young.fulfil('customer:old');

      for (const consumer of consumers) assert.deepEqual(idsOf(await consumer.next(1)), ['old']);
    },
  },
  {
    id: 'facts-limited',
    promise: 'G12',
    title: 'above their limit facts are refused by name, from wherever, and nothing is lost',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      const publisher = await harness.open();
      const facts = numbered('f:', most);
      await connection.fulfil(...facts);
      await connection.fulfil(...facts);
      await assert.rejects(connection.fulfil('f:6'), full);
      await assert.rejects(publisher.fulfil('f:6'), full);
      await connection.publish({ id: 'm', key: 'k' });
      const delivery = await consumer.one();
      await assert.rejects(connection.settle(ack(delivery, { opens: ['f:6'] })), full);

      await publisher.revoke('f:1');
      await connection.fulfil('f:2');
      await connection.settled(ack(delivery, { opens: ['f:6'] }));

      await connection.publish({ id: 'w', key: 'k', facts: ['f:6', 'f:5'] });
      assert.deepEqual(idsOf([await consumer.one()]), ['w']);
      await assert.rejects(publisher.fulfil('f:7'), full);
    },
  },
];

overRabbitmq((server) => {
  const all = namespaces(server);
  const engine = (): ReturnType<typeof all.engine> =>
    all.engine({ keepFacts: '10m' }, { facts: most });
  runCases({ engine, cases, realMs: 8_000, quietMs: 60 });
});
