/** G14: what becomes of a message whose fact does not come. */

import assert from 'node:assert/strict';
import type { ConformanceCase } from './case.ts';
import { advanceTo, drain, expectState } from './flow.ts';
import { ack, idsOf, park } from './settlements.ts';

const deadlineMs = 20_000;

export const deadlines: readonly ConformanceCase[] = [
  {
    id: 'deadline-from-acceptance',
    promise: 'G14',
    title: 'a message whose fact does not come is delivered at its deadline, and told why',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start({ waitingDeadlineMs: deadlineMs });
      const deadlineAt = harness.clock.now() + deadlineMs;
      await connection.publish(
        { id: 'm', key: 'k', facts: ['customer:1'] },
        { id: 'n', facts: ['customer:2'] },
      );
      consumer.grant(2);

      await advanceTo(harness.clock, deadlineAt - 1);
      assert.deepEqual(consumer.pending(), [], 'not before the deadline');
      const both = await consumer.next(2);

      assert.deepEqual(idsOf(both).toSorted(), ['m', 'n']);
      assert.ok(both.every(({ waitTimedOut, attempt }) => waitTimedOut && attempt === 1));
      assert.deepEqual(
        new Map(both.map(({ id, lacking }) => [id, lacking])),
        new Map([
          ['m', ['customer:1']],
          ['n', ['customer:2']],
        ]),
      );
    },
  },
  {
    id: 'deadline-of-a-park',
    promise: 'G14',
    title: 'the deadline counts from acceptance, also for a message that parks later',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start({ waitingDeadlineMs: deadlineMs });
      const deadlineAt = harness.clock.now() + deadlineMs;
      await connection.publish({ id: 'm', key: 'k' });
      const delivery = await consumer.one();
      await harness.clock.advance(12_000);
      await connection.settled(park(delivery, 'customer:1'));
      consumer.grant(1);

      await advanceTo(harness.clock, deadlineAt - 1);
      assert.deepEqual(consumer.pending(), [], 'not before the deadline');
      const [again] = await consumer.next(1);

      assert.ok(again && harness.clock.now() < deadlineAt + 2_000);
      assert.deepEqual([again.waitTimedOut, again.lacking], [true, ['customer:1']]);
    },
  },
  {
    id: 'deadline-behind-a-head',
    promise: 'G14',
    title: 'time spent behind another message of the key counts towards the deadline',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start({ waitingDeadlineMs: deadlineMs });
      await connection.publish({ id: 'head', key: 'k' });
      const head = await consumer.one();
      await connection.publish({ id: 'm', key: 'k', facts: ['customer:1'] });
      consumer.grant(1);
      await harness.clock.advance(deadlineMs + 5_000);
      assert.deepEqual(consumer.pending(), [], 'the head is still at work');

      await connection.settled(ack(head));
      const [delivery] = await consumer.next(1);

      assert.deepEqual([delivery?.id, delivery?.waitTimedOut], ['m', true]);
    },
  },
  {
    id: 'deadline-survives-restart',
    promise: 'G14',
    title: 'a deadline that passes while no process runs is noticed by the next one',
    needs: {},
    async run(harness) {
      const first = await harness.start({ waitingDeadlineMs: deadlineMs });
      await first.connection.publish({ id: 'm', key: 'k', facts: ['customer:1'] });
      await harness.quiet();
      await harness.crash(first.connection);
      await harness.clock.advance(deadlineMs * 2);

      const delivery = await (await harness.open()).consume().one();

      assert.deepEqual([delivery.id, delivery.waitTimedOut], ['m', true]);
    },
  },
  {
    id: 'deadline-keeps-order',
    promise: 'G14',
    title:
      'a key whose first message timed out goes on with it, then with those behind it, in order',
    needs: {},
    async run(harness) {
      const started = await harness.start({ waitingDeadlineMs: deadlineMs });
      await started.connection.publish(
        { id: 'a', key: 'k', facts: ['customer:1'] },
        { id: 'b', key: 'k' },
      );
      await harness.clock.advance(5_000);
      await started.connection.publish({ id: 'c', key: 'k', facts: ['customer:1'] });
      await harness.clock.advance(deadlineMs);

      const received = await drain(started, 3);

      assert.deepEqual(
        received.map(({ id, waitTimedOut }) => [id, waitTimedOut]),
        [
          ['a', true],
          ['b', false],
          ['c', true],
        ],
      );
    },
  },
  {
    id: 'deadline-shown',
    promise: 'G16',
    title: 'the list of waiting messages says what each waits for, and until when',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start({ waitingDeadlineMs: deadlineMs });
      const acceptedAt = harness.clock.now();
      await connection.publish({ id: 'm', key: 'k', facts: ['customer:1', 'account:2'] });
      await connection.publish({ id: 'n', facts: ['customer:3'] });
      await connection.fulfil('account:2');
      consumer.grant(2);
      await harness.quiet();

      const query = { subscription: null, cursor: null, limit: 10 };
      const all = await connection.store.waiting({ ...query, fact: null });
      const one = await connection.store.waiting({ ...query, fact: 'customer:1' });
      const none = await connection.store.waiting({ ...query, fact: 'account:2' });

      assert.deepEqual(idsOf(all.items).toSorted(), ['m', 'n']);
      assert.deepEqual(one.items, [
        {
          id: 'm',
          topic: 'order.placed',
          subscription: 'billing',
          key: 'k',
          waitingFor: ['customer:1'],
          acceptedAt,
          deadlineAt: acceptedAt + deadlineMs,
        },
      ]);
      assert.deepEqual(none.items, []);
      await expectState(connection, 'm', 'waiting');
    },
  },
];
