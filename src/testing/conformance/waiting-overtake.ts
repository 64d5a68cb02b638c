/** G14: messages that may be overtaken by those of their key while they wait. */

import assert from 'node:assert/strict';
import type { ConformanceCase } from './case.ts';
import { drain, expectDone, expectState, untilWaiting } from './flow.ts';
import { ack, deadLetter, idsOf, messages, numbered, park, retry } from './settlements.ts';

const overtaking = { waitingOrder: 'overtake' } as const;

export const waitingOvertaken: readonly ConformanceCase[] = [
  {
    id: 'overtake-goes-on',
    promise: 'G14',
    title: 'where waiting messages are overtaken, their key goes on, in order, without them',
    needs: {},
    async run(harness) {
      const started = await harness.start(overtaking);
      const { connection, consumer } = started;
      const facts = ['customer:1'];
      await connection.publish(
        { id: 'a', key: 'k', facts },
        { id: 'b', key: 'k' },
        { id: 'c', key: 'k', facts: ['customer:2'] },
        { id: 'd', key: 'k', facts },
        { id: 'e', key: 'k' },
      );
      assert.deepEqual(idsOf(await drain(started, 2)), ['b', 'e']);
      consumer.grant(3);
      await consumer.nothing();
      for (const id of ['a', 'c', 'd']) await expectState(connection, id, 'waiting');

      await connection.fulfil('customer:1');
      const woken = await consumer.next(2);
      await connection.publish({ id: 'f', key: 'k', facts });
      await consumer.next(1);

      assert.deepEqual(idsOf(woken).toSorted(), ['a', 'd']);
      assert.deepEqual(
        woken.map(({ key, attempt, waitTimedOut }) => [key, attempt, waitTimedOut]),
        [
          [null, 1, false],
          [null, 1, false],
        ],
      );
      assert.deepEqual(
        consumer.received.slice(-1).map(({ id, key }) => [id, key]),
        [['f', 'k']],
      );
      await expectState(connection, 'c', 'waiting');
    },
  },
  {
    id: 'overtake-parked',
    promise: 'G14',
    title: 'a message parked by its handler is overtaken as well, and tried again from the first',
    needs: {},
    async run(harness) {
      const started = await harness.start(overtaking);
      const { connection, consumer } = started;
      await connection.publish(...messages('k', ['a', 'b', 'c']));
      await connection.settled(park(await consumer.one(), 'customer:1'));

      assert.deepEqual(idsOf(await drain(started, 2)), ['b', 'c']);
      const query = { subscription: 'billing', fact: 'customer:1', cursor: null, limit: 10 };
      assert.deepEqual(idsOf((await connection.store.waiting(query)).items), ['a']);
      await connection.fulfil('customer:1');
      const again = await consumer.one();
      assert.deepEqual([again.id, again.attempt, again.key], ['a', 1, null]);
      await connection.settled(retry(again, 0));
      const second = await consumer.one();
      assert.deepEqual([second.id, second.attempt], ['a', 2]);
      await connection.settled(ack(second));

      await expectDone(connection, 'a', 'b', 'c');
      assert.deepEqual((await connection.view()).stats.waiting, 0);
    },
  },
  {
    id: 'overtake-survives',
    promise: 'G14',
    title: 'what is overtaken survives the death of its process, and is released by its fact, once',
    needs: {},
    async run(harness) {
      const first = await harness.start(overtaking);
      await first.connection.publish(
        { id: 'a', key: 'k', facts: ['customer:1'] },
        ...messages('k', ['b', 'c']),
      );
      assert.deepEqual(idsOf(await drain(first, 2)), ['b', 'c']);
      await harness.quiet();
      await harness.crash(first.connection);

      const second = await harness.start(overtaking);
      await second.connection.publish(...messages('k', ['d']));
      assert.deepEqual(idsOf(await drain(second, 1)), ['d']);
      second.consumer.grant(2);
      await second.consumer.nothing();
      await second.connection.fulfil('customer:1');

      assert.deepEqual(idsOf(await drain(second, 1, 1)), ['a']);
      await second.consumer.nothing();
    },
  },
  {
    id: 'overtake-dies-alone',
    promise: 'G14',
    title: 'a message that was overtaken and dies does nothing to the key it had',
    needs: {},
    async run(harness) {
      const started = await harness.start({ ...overtaking, onDead: 'block' });
      const { connection, consumer } = started;
      await connection.publish(
        { id: 'a', key: 'k', facts: ['customer:1'] },
        { id: 'b', key: 'k', facts: ['customer:1'] },
      );
      consumer.grant(2);
      await consumer.nothing();
      await untilWaiting(connection, 2);
      await connection.fulfil('customer:1');
      const [a, b] = (await consumer.next(2)).toSorted((x, y) => (x.id < y.id ? -1 : 1));
      assert.ok(a && b);
      await connection.settled(deadLetter(a), ack(b));
      await connection.publish(...messages('k', ['c']));

      assert.deepEqual(idsOf(await drain(started, 1)), ['c']);
      assert.deepEqual((await connection.view()).blockedKeys, []);
    },
  },
  {
    id: 'overtake-many',
    promise: 'G14',
    title: 'hundreds that wait do not keep those behind them from being worked on',
    needs: {},
    async run(harness) {
      const started = await harness.start(overtaking);
      const { connection } = started;
      const facts = ['customer:1'];
      const waiters = numbered('w', 700).map((id) => ({ id, key: 'k', facts }));
      await connection.publish(...waiters, ...messages('k', ['a', 'b']));

      assert.deepEqual(idsOf(await drain(started, 2)), ['a', 'b']);
      await connection.fulfil('customer:1');

      const came = await drain(started, 700);
      assert.equal(new Set(idsOf(came)).size, 700);
    },
  },
];
