/** G1, G3, G11: subscriptions come, change, pause, fill up and go. */

import assert from 'node:assert/strict';
import { MaloteError, type ErrorCode } from '../../errors.ts';
import type { ConformanceCase } from './case.ts';
import { drain, idsByKey } from './flow.ts';
import { ack, idsOf, messages, numbered, specification, type Draft } from './settlements.ts';

export const subscriptions: readonly ConformanceCase[] = [
  {
    id: 'subscribe-adopts-once',
    promise: 'G3',
    title: 'the first subscription adopts what its topic kept; a later one starts with what is new',
    needs: {},
    async run(harness) {
      const connection = await harness.open();
      await connection.publish(...messages('k', numbered('m', 30)));
      await connection.subscribe({ name: 'first' });
      await connection.subscribe({ name: 'second', from: 'now' });
      await connection.publish(...messages('k', ['new']));

      const first = await drain({ connection, consumer: connection.consume('first') }, 31);
      const second = await drain({ connection, consumer: connection.consume('second') }, 1);

      assert.deepEqual(idsOf(first), [...numbered('m', 30), 'new']);
      assert.deepEqual(idsOf(second), ['new']);
    },
  },
  {
    id: 'subscribe-adopts-across-topics',
    promise: 'G3',
    title: 'messages kept by several topics are adopted in the order of their acceptance',
    needs: {},
    async run(harness) {
      const connection = await harness.open();
      const ids = numbered('m', 12);
      for (const [index, id] of ids.entries()) {
        await connection.publish({ id, key: 'k', topic: index % 3 === 0 ? 'a.first' : 'b.second' });
      }
      const started = await harness.start({ topics: ['b.second', 'a.first'] });

      assert.deepEqual(idsOf(await drain(started, 12)), ids);
    },
  },
  {
    id: 'subscribe-adopts-by-replace',
    promise: 'G3',
    title: 'a subscription that is given one more topic adopts what that kept, before what is new',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      const { connection } = started;
      await connection.publish(...messages('k', ['a']));
      const topics = ['order.placed', 'order.cancelled'];
      const ids = numbered('b', 30);
      const cancelled = (id: string): Draft => ({ id, key: 'k', topic: 'order.cancelled' });
      await connection.publish(...ids.map(cancelled));

      await connection.subscribe({ topics, replace: true });
      await connection.publish(cancelled('new'));

      assert.deepEqual(idsOf(await drain(started, 32)), ['a', ...ids, 'new']);
    },
  },
  {
    id: 'subscribe-adopts-when-asked',
    promise: 'G3',
    title: 'what a subscription left to another one it adopts when it is the first to ask for it',
    needs: {},
    async run(harness) {
      const connection = await harness.open();
      await connection.publish(...messages('k', numbered('m', 30)));
      await connection.subscribe({ from: 'now' });
      const consumer = connection.consume();
      consumer.grant(31);
      await consumer.nothing();

      await connection.subscribe();
      await connection.subscribe({ name: 'later' });
      await connection.publish(...messages('k', ['new']));

      const received = await drain({ connection, consumer }, 31, 31);
      assert.deepEqual(idsOf(received), [...numbered('m', 30), 'new']);
      const later = { connection, consumer: connection.consume('later') };
      assert.deepEqual(idsOf(await drain(later, 1)), ['new']);
    },
  },
  {
    id: 'subscribe-while-publishing',
    promise: 'G1',
    title: 'no message is lost between being kept and being adopted, whoever comes first',
    needs: {},
    async run(harness) {
      const [publisher, other] = [await harness.open(), await harness.open()];
      const ids = numbered('m', 30);
      const publishing = ids.map((id) => publisher.publish({ id, key: 'k' }));
      const subscribing = other.subscribe();
      publishing.push(publisher.publish({ id: 'last', key: 'k' }));
      await Promise.all([...publishing, subscribing]);

      const received = await drain({ connection: other, consumer: other.consume() }, 31);

      assert.deepEqual(idsOf(received), [...ids, 'last']);
    },
  },
  {
    id: 'subscribe-again',
    promise: 'G3',
    title: 'subscribing again under the same name keeps what is there, also in order and at once',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      await started.connection.publish(...messages('k', ['a', 'b']));
      const others = [await harness.open(), await harness.open()];
      await Promise.all(others.map((other) => other.subscribe()));
      await started.connection.publish(...messages('k', ['c']));

      assert.deepEqual(idsByKey(await drain(started, 3)), { k: ['a', 'b', 'c'] });
      assert.equal((await started.connection.store.subscriptions()).length, 1);
    },
  },
  {
    id: 'subscription-changed',
    promise: 'G3',
    title: 'other topics or another order than the stored ones are refused, unless on purpose',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      await started.connection.publish(...messages('k', ['a']));
      const changes = [{ order: 'none' as const }, { topics: ['order.placed', 'order.cancelled'] }];
      for (const change of changes) {
        const refused = started.connection.subscribe({ name: 'innocent' }, change);
        await rejectsWith('SUBSCRIPTION_CHANGED', refused);
      }
      const names = (await started.connection.store.subscriptions()).map(({ name }) => name);
      assert.deepEqual(names, ['billing'], 'subscribing is one step: all of them or none');

      const topics = ['order.cancelled', 'order.placed'];
      await started.connection.subscribe({ topics, replace: true });
      await started.connection.publish({ id: 'b', key: 'k', topic: 'order.cancelled' });

      assert.deepEqual(idsOf(await drain(started, 2)), ['a', 'b']);
      assert.deepEqual([...(await started.connection.view()).topics].toSorted(), topics);
    },
  },
  {
    id: 'subscription-updated',
    promise: 'G3',
    title: 'all else about a subscription may change from start to start, and applies at once',
    needs: {},
    async run(harness) {
      const { connection } = await harness.start();
      const changed = specification({ onDead: 'block', waitingDeadlineMs: 77_000, maxDepth: 1 });
      await connection.queue.subscribe([changed]);
      await connection.publish({ id: 'a' });

      const [outcome] = await connection.offer({ id: 'b' });
      const { onDead, waitingDeadlineMs, maxDepth, waits } = await connection.view();

      if (connection.capabilities.counts === 'exact') assert.equal(outcome?.kind, 'full');
      assert.deepEqual([onDead, waitingDeadlineMs, maxDepth, waits], ['block', 77_000, 1, true]);
    },
  },
  {
    id: 'unsubscribe',
    promise: 'G3',
    title: 'unsubscribing forgets the subscription and all it holds, and leaves others alone',
    needs: {},
    async run(harness) {
      const connection = await harness.open();
      await connection.subscribe({ name: 'billing' }, { name: 'mailing' });
      await connection.publish(...messages('k', ['a', 'b']));

      assert.equal(await connection.queue.unsubscribe('billing'), true);
      assert.equal(await connection.queue.unsubscribe('billing'), false);
      await connection.subscribe({ name: 'billing', from: 'now' });
      await connection.publish(...messages('k', ['c']));

      const billed = await drain({ connection, consumer: connection.consume('billing') }, 1);
      const mailed = await drain({ connection, consumer: connection.consume('mailing') }, 3);
      assert.deepEqual(idsOf(billed), ['c']);
      assert.deepEqual(idsOf(mailed), ['a', 'b', 'c']);
    },
  },
  {
    id: 'unsubscribe-while-leased',
    promise: 'G3',
    title: 'what is out when its subscription is forgotten can no longer be settled',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      await connection.publish(...messages('k', ['a', 'b']));
      const held = await consumer.one();
      await connection.queue.unsubscribe('billing');

      assert.deepEqual(await connection.settle(ack(held)), ['lease-lost']);
      if (!connection.capabilities.lookup) return;
      assert.deepEqual(await connection.store.get('b'), []);
    },
  },
  {
    id: 'unsubscribe-unseen',
    promise: 'G3',
    title: 'who stood still while a subscription was forgotten and made anew settles nothing of it',
    needs: { fencing: true },
    async run(harness) {
      const { connection, consumer } = await harness.start();
      await connection.publish(...messages('k', ['a']), ...messages(null, ['n']));
      const held = await consumer.receive(2);
      const other = await harness.open();
      connection.freeze();
      await other.queue.unsubscribe('billing');
      await harness.quiet();
      await other.subscribe();
      await other.publish(...messages('k', ['b']), ...messages(null, ['o']));
      connection.thaw();

      const late = await connection.settle(...held.map((delivery) => ack(delivery)));

      assert.deepEqual(late, ['lease-lost', 'lease-lost']);
      const received = await drain({ connection, consumer }, 2);
      assert.deepEqual(idsOf(received).toSorted(), ['b', 'o']);
      const { stats } = await other.view();
      assert.deepEqual([stats.depth, stats.leased, stats.done], [0, 0, 2]);
    },
  },
  {
    id: 'consume-again',
    promise: 'G3',
    title: 'a consumer goes on when its subscription is forgotten and then registered again',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      const { connection, consumer } = started;
      const other = await harness.open();
      await connection.publish(...messages('k', ['a', 'b']), ...messages('far', ['x']));
      const held = [await consumer.one(), await consumer.one()];
      consumer.grant(4);
      await other.queue.unsubscribe('billing');
      await connection.publish(...messages('k', ['kept']));
      await harness.quiet();
      consumer.pending();

      await other.subscribe();
      await other.publish(...messages('k', ['c']), ...messages(null, ['n']));
      await other.publish({ id: 'w', key: 'w', facts: ['customer:1'] });
      await other.fulfil('customer:1');

      const received = await drain(started, 4, 4);
      assert.deepEqual(idsOf(received).toSorted(), ['c', 'kept', 'n', 'w']);
      assert.deepEqual(idsByKey(received)['k'], ['kept', 'c']);
      const late = await connection.settle(...held.map((delivery) => ack(delivery)));
      assert.deepEqual(late, ['lease-lost', 'lease-lost']);
      const { stats } = await connection.view();
      assert.deepEqual([stats.depth, stats.leased], [0, 0]);
    },
  },
  {
    id: 'pause-everywhere',
    promise: 'G3',
    title: 'a paused subscription accepts and delivers nothing, in every process, until it resumes',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      await connection.publish(...messages('held', ['h']));
      const held = await consumer.one();
      const other = await harness.open();
      const far = other.consume();
      consumer.grant(10);
      far.grant(10);
      await harness.quiet();

      assert.equal(await other.store.setPaused('billing', true), true);
      await harness.quiet();
      await connection.publish(...messages('k', ['a']), ...messages(null, ['n']));
      await other.publish({ id: 'later', delayMs: 5_000 });
      await connection.settled(ack(held));
      await harness.clock.advance(6_000);
      await consumer.nothing();
      await far.nothing();
      assert.equal((await connection.view()).paused, true);
      assert.equal(await connection.store.setPaused('billing', false), true);

      const came = (): number => consumer.received.length + far.received.length;
      await harness.until(
        () => came() === 4,
        () => `${came() - 1} of 3 messages came after the pause`,
      );
      assert.equal(await connection.store.setPaused('unknown', true), false);
    },
  },
  {
    id: 'pause-survives-restart',
    promise: 'G3',
    title: 'a pause outlives the process that asked for it',
    needs: {},
    async run(harness) {
      const first = await harness.start();
      await first.connection.store.setPaused('billing', true);
      await first.connection.publish({ id: 'm' });
      await harness.crash(first.connection);

      const connection = await harness.open();
      await connection.subscribe();
      const consumer = connection.consume();
      consumer.grant(1);
      await consumer.nothing();
      await connection.store.setPaused('billing', false);

      assert.equal((await consumer.next(1))[0]?.id, 'm');
    },
  },
];

async function rejectsWith(code: ErrorCode, promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof MaloteError, 'the rejection should be a MaloteError');
    assert.equal(error.code, code);
    return true;
  });
}
