/** G9: messages for later. */

import assert from 'node:assert/strict';
import type { ConformanceCase } from './case.ts';
import { advanceTo, drain, expectState } from './flow.ts';
import { ack, idsOf, numbered } from './settlements.ts';

export const delays: readonly ConformanceCase[] = [
  {
    id: 'delay-not-early',
    promise: 'G9',
    title: 'a delayed message is never delivered before its time, and within a second after it',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      const publishedAt = harness.clock.now();
      await connection.publish(
        { id: 'n', delayMs: 30_000 },
        { id: 'm', key: 'k', delayMs: 30_000 },
        { id: 'later', key: 'l', delayMs: 90_000 },
      );
      consumer.grant(3);
      const view = await expectState(connection, 'm', 'scheduled');
      if (view !== null) assert.equal(view.readyAt, publishedAt + 30_000);

      await advanceTo(harness.clock, publishedAt + 29_999);
      assert.deepEqual(consumer.pending(), []);
      await harness.clock.advance(1_001);
      const due = await consumer.next(2);
      assert.deepEqual(idsOf(due).toSorted(), ['m', 'n']);
      await advanceTo(harness.clock, publishedAt + 89_999);
      assert.deepEqual(consumer.pending(), []);

      assert.equal((await consumer.next(1))[0]?.id, 'later');
      assert.ok(due.every(({ attempt }) => attempt === 1));
    },
  },
  {
    id: 'delay-joins-when-due',
    promise: 'G9',
    title: 'a delayed message holds nobody up: it joins its key when it is due',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      const { connection, consumer } = started;
      await connection.publish({ id: 'delayed', key: 'k', delayMs: 20_000 }, { id: 'a', key: 'k' });
      await connection.publish({ id: 'b', key: 'k' });
      assert.deepEqual(idsOf(await drain(started, 2)), ['a', 'b']);
      await connection.publish({ id: 'c', key: 'k' });
      const held = await consumer.one();
      await harness.clock.advance(20_500);
      await connection.publish({ id: 'd', key: 'k' });
      consumer.grant(2);
      await consumer.nothing();

      await connection.settled(ack(held));

      assert.deepEqual(idsOf(await drain(started, 2, 2)), ['delayed', 'd']);
    },
  },
  {
    id: 'delay-order-by-time',
    promise: 'G9',
    title: 'messages of a key with different delays come in the order of their times',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      const ids = numbered('m', 5);
      const drafts = ids.map((id, index) => ({ id, key: 'k', delayMs: 50_000 - index * 10_000 }));
      await started.connection.publish(...drafts);
      started.consumer.grant(5);
      const received: string[] = [];

      for (let round = 0; round < 5; round++) {
        await harness.clock.advance(10_500);
        received.push(...idsOf(await drain(started, 1, 1)));
      }

      assert.deepEqual(received, ids.toReversed());
    },
  },
  {
    id: 'delay-survives-restart',
    promise: 'G9',
    title: 'a delayed message is delivered although every process was replaced before it was due',
    needs: {},
    async run(harness) {
      const first = await harness.start();
      await first.connection.publish({ id: 'm', key: 'k', delayMs: 40_000 });
      const dueAt = harness.clock.now() + 40_000;
      await harness.crash(first.connection);

      const connection = await harness.open();
      const consumer = connection.consume();
      consumer.grant(1);
      await advanceTo(harness.clock, dueAt - 1);
      assert.deepEqual(consumer.pending(), []);

      assert.equal((await consumer.next(1))[0]?.id, 'm');
    },
  },
  {
    id: 'delay-with-facts',
    promise: 'G9',
    title: 'a delayed message that also waits needs both: its time and its fact',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      await connection.publish({ id: 'm', key: 'k', delayMs: 20_000, facts: ['customer:1'] });
      await connection.publish({ id: 'n', delayMs: 20_000, facts: ['customer:2'] });
      await connection.fulfil('customer:1');
      consumer.grant(2);
      await consumer.nothing();
      await harness.clock.advance(20_000);

      assert.deepEqual(idsOf(await consumer.next(1)), ['m']);
      await consumer.nothing();
      await connection.fulfil('customer:2');

      assert.deepEqual(idsOf(await consumer.next(1)), ['n']);
    },
  },
  {
    id: 'delay-without-subscription',
    promise: 'G9',
    title: 'a delayed message of a topic without a subscription is kept, and still not early',
    needs: {},
    async run(harness) {
      const publisher = await harness.open();
      await publisher.publish({ id: 'm', key: 'k', delayMs: 30_000 });
      const dueAt = harness.clock.now() + 30_000;
      await harness.clock.advance(5_000);
      const { consumer } = await harness.start();
      consumer.grant(1);

      await advanceTo(harness.clock, dueAt - 1);
      assert.deepEqual(consumer.pending(), []);

      assert.equal((await consumer.next(1))[0]?.id, 'm');
    },
  },
];
