/** G3, G11: who is given a message, how often, and never more than was asked for. */

import assert from 'node:assert/strict';
import type { ConformanceCase } from './case.ts';
import { drain, expectDone, idsByKey } from './flow.ts';
import { ack, idsOf, messages, numbered, usualSubscription, usualTopic } from './settlements.ts';

export const deliveries: readonly ConformanceCase[] = [
  {
    id: 'deliver-once-without-faults',
    promise: 'G3',
    title: 'without crashes every message is delivered once, and acknowledged it is gone',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      const ids = numbered('m', 60);
      const drafts = ids.map((id, index) => ({
        id,
        key: index % 2 === 0 ? null : `k${index % 7}`,
      }));
      await started.connection.publish(...drafts);

      const received = await drain(started, 60);
      started.consumer.grant(10);
      await started.consumer.nothing();

      assert.deepEqual(idsOf(received).toSorted(), ids.toSorted());
      assert.ok(received.every(({ attempt, suspicion }) => attempt === 1 && suspicion === 'none'));
      await expectDone(started.connection, ...ids);
    },
  },
  {
    id: 'deliver-attributes',
    promise: 'G3',
    title: 'a delivery says what was published, where and when, and which attempt it is',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      const acceptedAt = harness.clock.now();
      await connection.publish({ id: 'm', key: 'k', body: 'text', headers: '{"a":1}' });
      await harness.clock.advance(700);

      const { lease, tag, ...delivery } = await consumer.one();

      assert.deepEqual(delivery, {
        subscription: 'billing',
        id: 'm',
        topic: usualTopic,
        body: 'text',
        headers: '{"a":1}',
        key: 'k',
        acceptedAt,
        attempt: 1,
        suspicion: 'none',
        waitTimedOut: false,
        lacking: [],
      });
      assert.deepEqual([typeof lease.id, typeof lease.token, typeof tag], Array(3).fill('number'));
    },
  },
  {
    id: 'deliver-within-grant',
    promise: 'G11',
    title: 'a consumer is never given more messages than it has asked for',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      await connection.publish(...messages(null, numbered('m', 30)));
      await connection.publish(...messages('k', numbered('k', 30)));
      await consumer.nothing();

      let given = 0;
      for (const count of [1, 3, 7, 2]) {
        const batch = await consumer.receive(count);
        given += batch.length;
        await consumer.nothing();
        await connection.settled(...batch.map((delivery) => ack(delivery)));
        await consumer.nothing();
      }

      assert.equal(given, 13);
    },
  },
  {
    id: 'deliver-grant-is-kept',
    promise: 'G12',
    title: 'a consumer that waits is given a message as soon as it is published, by any process',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      const publisher = await harness.open();
      consumer.grant(3);
      await harness.quiet();

      await connection.publish({ id: 'near' });
      const near = await consumer.next(1);
      await publisher.publish({ id: 'far', key: 'k' });
      const far = await consumer.next(1);
      await publisher.publish({ id: 'last' });
      const last = await consumer.next(1);

      assert.deepEqual(idsOf([...near, ...far, ...last]), ['near', 'far', 'last']);
    },
  },
  {
    id: 'deliver-after-stop',
    promise: 'G10',
    title: 'a consumer that stopped is given nothing more, and what it holds stays its own',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      await connection.publish(...messages(null, ['a', 'b']));
      const held = await consumer.one();
      consumer.grant(5);
      const others = await consumer.next(1);
      consumer.stop();
      await connection.publish({ id: 'later' });
      await harness.clock.advance(harness.leaseMs * 2);
      await harness.quiet();

      assert.equal(consumer.received.length, 2);
      await connection.settled(ack(held), ...others.map((one) => ack(one)));
    },
  },
  {
    id: 'deliver-beside-stopped',
    promise: 'G10',
    title: 'who stopped as it began, or before its subscription was made anew, holds nothing back',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      consumer.grant(5);
      consumer.stop();
      const other = await harness.open();
      const handle = async (ids: readonly string[]): Promise<void> => {
        const beside = { connection: other, consumer: other.consume() };
        const drafts = ids.map((id, index) => ({ id, key: index % 2 === 0 ? null : id }));
        await connection.publish(...drafts);
        const came = await drain(beside, ids.length);
        assert.deepEqual(idsOf(came).toSorted(), ids.toSorted());
        beside.consumer.stop();
      };

      await handle(numbered('a', 20));
      await other.queue.unsubscribe(usualSubscription);
      await other.subscribe({});
      await handle(numbered('b', 20));
    },
  },
  {
    id: 'deliver-fan-out',
    promise: 'G3',
    title: 'every subscription of a topic is given each message, at its own pace',
    needs: {},
    async run(harness) {
      const connection = await harness.open();
      await connection.subscribe({ name: 'billing' }, { name: 'mailing' });
      const billing = { connection, consumer: connection.consume('billing') };
      const mailing = { connection, consumer: connection.consume('mailing') };
      const ids = numbered('m', 12);
      await connection.publish(...messages('k', ids));

      const billed = await drain(billing, 12);
      const [first] = await mailing.consumer.receive(1);
      assert.ok(first);
      await connection.settled(ack(first));
      const mailed = await drain(mailing, 11);

      assert.deepEqual(idsByKey(billed), { k: ids });
      assert.deepEqual(idsByKey([first, ...mailed]), { k: ids });
    },
  },
  {
    id: 'deliver-competing',
    promise: 'G3',
    title: 'processes of one subscription share its messages: each goes to one of them',
    needs: {},
    async run(harness) {
      const first = await harness.start();
      const connection = await harness.open();
      const second = { connection, consumer: connection.consume() };
      const ids = numbered('m', 80);
      await connection.publish(...ids.map((id, index) => ({ id, key: `k${index % 20}` })));
      first.consumer.grant(80);
      second.consumer.grant(80);

      let done = 0;
      while (done < 80) {
        await harness.until(
          () => first.consumer.received.length + second.consumer.received.length > done,
          () => `only ${done} of 80 messages came`,
        );
        for (const { connection: at, consumer } of [first, second]) {
          const batch = consumer.pending();
          await at.settled(...batch.map((one) => ack(one)));
          done += batch.length;
        }
      }

      const all = [...first.consumer.received, ...second.consumer.received];
      assert.deepEqual(idsOf(all).toSorted(), ids.toSorted());
    },
  },
  {
    id: 'deliver-topics-apart',
    promise: 'G3',
    title:
      'a subscription is given the messages of its own topics only, of several if it has several',
    needs: {},
    async run(harness) {
      const connection = await harness.open();
      await connection.subscribe(
        { name: 'orders', topics: ['order.placed', 'order.cancelled'] },
        { name: 'players', topics: ['player.seen'] },
      );
      await connection.publish(
        { id: 'placed', key: 'k', topic: 'order.placed' },
        { id: 'seen', key: 'k', topic: 'player.seen' },
        { id: 'cancelled', key: 'k', topic: 'order.cancelled' },
      );

      const orders = await drain({ connection, consumer: connection.consume('orders') }, 2);
      const players = await drain({ connection, consumer: connection.consume('players') }, 1);

      assert.deepEqual(idsOf(orders), ['placed', 'cancelled']);
      assert.deepEqual(idsOf(players), ['seen']);
    },
  },
];
