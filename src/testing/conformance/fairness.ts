/** G12: nobody is forgotten: quiet keys beside hot ones, many held keys beside free ones. */

import assert from 'node:assert/strict';
import type { ConformanceCase } from './case.ts';
import { drain, idsByKey } from './flow.ts';
import { ack, idsOf, messages, numbered } from './settlements.ts';

export const fairness: readonly ConformanceCase[] = [
  {
    id: 'fair-quiet-key',
    promise: 'G12',
    title: 'a quiet key is served long before the backlog of many hot keys is worked off',
    needs: { delivery: 'lanes' },
    async run(harness) {
      const { connection, consumer } = await harness.start();
      const hot = numbered('m', 1_000).map((id, index) => ({ id, key: `hot${index % 20}` }));
      await connection.publish(...hot);
      await connection.publish({ id: 'quiet', key: 'quiet' });

      let served = 0;
      for (let id = ''; id !== 'quiet'; served++) {
        const delivery = await consumer.one();
        id = delivery.id;
        await connection.settled(ack(delivery));
      }

      assert.ok(served <= 500, `the quiet key was number ${served} of 1001`);
    },
  },
  {
    id: 'fair-all-keys-move',
    promise: 'G12',
    title: 'keys with equal backlogs move on together: none is finished before all have begun',
    needs: { delivery: 'lanes' },
    async run(harness) {
      const started = await harness.start();
      const drafts = numbered('m', 600).map((id, index) => ({ id, key: `k${index % 10}` }));
      await started.connection.publish(...drafts);

      const keys = new Set<string | null>();
      let longest = 0;
      while (keys.size < 10) {
        const delivery = await started.consumer.one();
        keys.add(delivery.key);
        longest += 1;
        await started.connection.settled(ack(delivery));
        assert.ok(longest < 300, `after ${longest} messages only ${keys.size} of 10 keys began`);
      }
    },
  },
  {
    id: 'fair-unordered-beside-lanes',
    promise: 'G12',
    title: 'messages with and without a key share the consumer: neither waits for all of the other',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      const mixed = numbered('m', 600).map((id, index) => ({
        id,
        key: index % 2 === 0 ? null : `k${index % 31}`,
      }));
      await connection.publish(...mixed);

      const half = await drain({ connection, consumer }, 300);
      const withKey = half.filter(({ key }) => key !== null).length;

      assert.ok(withKey >= 60 && withKey <= 240, `${withKey} of the first 300 had a key`);
      await drain({ connection, consumer }, 300);
    },
  },
  {
    id: 'fair-behind-many-held',
    promise: 'G12',
    title: 'a free key is found at once behind a thousand keys that wait',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      const held = numbered('h', 1_000);
      await connection.publish(...held.map((id) => ({ id, key: id, facts: ['gate:1'] })));
      await connection.publish(...messages('free', ['m1', 'm2']));

      const received = await drain({ connection, consumer }, 2);

      assert.deepEqual(idsByKey(received), { free: ['m1', 'm2'] });
      await connection.fulfil('gate:1');
      const woken = await drain({ connection, consumer }, 1_000);
      assert.equal(new Set(idsOf(woken)).size, 1_000);
    },
  },
  {
    id: 'fair-slow-consumer-elsewhere',
    promise: 'G12',
    title: 'a process that asks for nothing leaves the messages to the others',
    needs: { delivery: 'lanes' },
    async run(harness) {
      const idle = await harness.start();
      const connection = await harness.open();
      const ids = numbered('m', 20);
      await connection.publish(...ids.map((id, index) => ({ id, key: `k${index}` })));

      const received = await drain({ connection, consumer: connection.consume() }, 20);

      assert.deepEqual(idsOf(received).toSorted(), ids.toSorted());
      assert.deepEqual(idle.consumer.received, []);
    },
  },
];
