/** What stands still does not fill the window of its partition; what is done does not shut it. */
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { runConformance, type ConformanceCase } from 'malote/testing';
import { test } from 'vitest';
import { drain } from '../../src/testing/conformance/flow.ts';
import {
  deadLetter,
  idsOf,
  messages,
  numbered,
} from '../../src/testing/conformance/settlements.ts';
import { namespaces } from './namespace.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

const facts = ['customer:1'];

const cases: readonly ConformanceCase[] = [
  {
    id: 'window-of-waiting-keys',
    promise: 'G12',
    title: 'more keys wait than fit into the window: what comes behind them is delivered',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      const { connection } = started;
      const ids = numbered('w', 2_000);
      await connection.publish(...ids.map((id) => ({ id, key: id, facts })));
      await connection.publish(...messages('free', ['free']));

      assert.deepEqual(idsOf(await drain(started, 1)), ['free']);
      await connection.fulfil(...facts);

      assert.deepEqual(idsOf(await drain(started, 2_000)).toSorted(), ids.toSorted());
    },
  },
  {
    id: 'window-of-one-lane',
    promise: 'G5',
    title: 'a waiting key with more messages than the window holds up nobody, and keeps its order',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      const { connection } = started;
      const ids = numbered('m', 1_500);
      await connection.publish({ id: 'head', key: 'k', facts });
      await connection.publish(...messages('k', ids));
      const others = numbered('o', 20);
      await connection.publish(...others.map((id) => ({ id, key: id })));

      assert.deepEqual(idsOf(await drain(started, 20)).toSorted(), others.toSorted());
      await harness.crash(connection);
      const again = await harness.start();
      await again.connection.fulfil(...facts);

      assert.deepEqual(idsOf(await drain(again, 1_501)), ['head', ...ids]);
    },
  },
  {
    id: 'published-anew',
    promise: 'G1',
    title: 'what is published once more under an id that was done is another message',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      for (let round = 1; round <= 2; round++) {
        await started.connection.publish(...messages('k', ['m']));
        assert.deepEqual(idsOf(await drain(started, 1)), ['m']);
        await harness.clock.advance(700);
      }
    },
  },
  {
    id: 'dying-not-given-back',
    promise: 'G8',
    title: 'a message on its way to the dead letters is not given back when its consumer stops',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      await connection.publish({ id: 'm' });
      const dying = connection.settled(deadLetter(await consumer.one()));
      // It is buried here, and the server has not confirmed it.
      await setImmediate();
      consumer.stop();
      await dying;

      const heir = await harness.open();
      const heard = heir.consume();
      heard.grant(1);
      await heard.nothing();

      const { depth, dead } = (await heir.view()).stats;
      assert.deepEqual([depth, dead], [0, 1]);
    },
  },
];

overRabbitmq((server) => {
  const all = namespaces(server);
  const patience = { virtualMs: 1_500, realMs: 8_000, quietMs: 40 };
  runConformance({ engine: all.engine, test, seeds: [1], cases, patience });
});
