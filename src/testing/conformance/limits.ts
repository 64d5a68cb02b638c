/** G11: a full subscription refuses, and what is refused leaves no trace. */

import assert from 'node:assert/strict';
import type { ConformanceCase } from './case.ts';
import { drain, expectDone, expectState } from './flow.ts';
import { ack, idsOf, messages, numbered, outgoing, usualTopic } from './settlements.ts';

export const limits: readonly ConformanceCase[] = [
  {
    id: 'full-refuses',
    promise: 'G11',
    title: 'a full subscription refuses what comes, and takes messages again when there is room',
    needs: { counts: 'exact' },
    async run(harness) {
      const started = await harness.start({ maxDepth: 3 });
      const outcomes = await started.connection.offer(...messages('k', numbered('m', 5)));
      const full = { kind: 'full', subscription: 'billing', topics: [usualTopic] };

      assert.deepEqual(
        outcomes.slice(0, 3),
        Array.from({ length: 3 }, () => ({ kind: 'stored' })),
      );
      assert.deepEqual(outcomes.slice(3), [full, full]);
      assert.equal((await started.connection.view()).stats.depth, 3);
      assert.deepEqual(await started.connection.store.get('m4'), []);
      await started.connection.settled(ack(await started.consumer.one()));
      await started.connection.publish(...messages('k', ['m6']));

      assert.deepEqual(idsOf(await drain(started, 3)), ['m2', 'm3', 'm6']);
      started.consumer.grant(5);
      await started.consumer.nothing();
    },
  },
  {
    id: 'full-counts-all-states',
    promise: 'G11',
    title:
      'messages that are delayed, at work, waiting or to be retried fill a subscription as well',
    needs: { counts: 'exact' },
    async run(harness) {
      const { connection, consumer } = await harness.start({ maxDepth: 3 });
      await connection.publish(
        { id: 'a' },
        { id: 'b', delayMs: 60_000 },
        { id: 'c', facts: ['f:1'] },
      );
      await consumer.one();

      const [outcome] = await connection.offer({ id: 'd' });

      assert.equal(outcome?.kind, 'full');
    },
  },
  {
    id: 'full-one-of-two',
    promise: 'G11',
    title: 'when one of the subscriptions is full, the message is stored in none',
    needs: { counts: 'exact' },
    async run(harness) {
      const connection = await harness.open();
      await connection.subscribe({ name: 'roomy' }, { name: 'tight', maxDepth: 1 });
      await connection.publish({ id: 'a', key: 'k' });

      const outcomes = await connection.offer({ id: 'b', key: 'k' });

      assert.deepEqual(outcomes, [{ kind: 'full', subscription: 'tight', topics: [usualTopic] }]);
      const roomy = connection.consume('roomy');
      await connection.settled(ack(await roomy.one()));
      roomy.grant(3);
      await roomy.nothing();
    },
  },
  {
    id: 'full-forward',
    promise: 'G5',
    title: 'behind a forwarded message that found no room nothing of its key is stored',
    needs: {},
    async run(harness) {
      const connection = await harness.open();
      await connection.subscribe(
        { name: 'tight', topics: ['a'], maxDepth: 1 },
        { name: 'roomy', topics: ['b'] },
      );
      await connection.publish({ id: 'first', topic: 'a', key: 'other' });
      const batch = [
        outgoing({ id: 'm1', topic: 'a', key: 'k' }),
        outgoing({ id: 'm2', topic: 'b', key: 'k' }),
        outgoing({ id: 'm3', topic: 'b', key: 'l' }),
        outgoing({ id: 'm4', topic: 'a' }),
        outgoing({ id: 'm5', topic: 'b' }),
      ];

      const outcomes = await connection.queue.forward(batch);

      const full = { kind: 'full', subscription: 'tight', topics: ['a'] };
      const stored = { kind: 'stored' };
      assert.deepEqual(outcomes, [full, full, stored, full, stored]);
      const roomy = connection.consume('roomy');
      assert.deepEqual(idsOf(await roomy.receive(2)).toSorted(), ['m3', 'm5']);
      roomy.grant(5);
      await roomy.nothing();
    },
  },
  {
    id: 'staged-stored-with-ack',
    promise: 'G3',
    title: 'what an acknowledgement publishes is stored with it, in order',
    needs: { atomicSettle: true },
    async run(harness) {
      const connection = await harness.open();
      await connection.subscribe({ name: 'in', topics: ['in'] }, { name: 'out', topics: ['out'] });
      await connection.publish({ id: 'm', topic: 'in' });
      const delivery = await connection.consume('in').one();
      const staged = numbered('s', 5).map((id) => ({ id, key: 'k', topic: 'out' }));
      assert.deepEqual(await connection.store.get('s1'), []);

      await connection.settled(ack(delivery, { publish: staged }));
      await harness.crash(connection);

      const other = await harness.open();
      const received = await drain({ connection: other, consumer: other.consume('out') }, 5);
      assert.deepEqual(idsOf(received), numbered('s', 5));
      await expectDone(other, 'm');
    },
  },
  {
    id: 'staged-full',
    promise: 'G11',
    title: 'an acknowledgement whose publishes find no room changes nothing and keeps its lease',
    needs: { atomicSettle: true },
    async run(harness) {
      const connection = await harness.open();
      await connection.subscribe(
        { name: 'in', topics: ['in'] },
        { name: 'out', topics: ['out'], maxDepth: 2 },
      );
      await connection.publish({ id: 'm', topic: 'in', key: 'k' }, { id: 'x', topic: 'out' });
      const consumer = connection.consume('in');
      const delivery = await consumer.one();
      const publish = [
        { id: 's1', topic: 'out' },
        { id: 's2', topic: 'out' },
      ];

      const outcome = await connection.settle(ack(delivery, { opens: ['fact:1'], publish }));

      assert.deepEqual(outcome, ['full']);
      await expectState(connection, 'm', 'leased');
      assert.deepEqual(await connection.store.get('s1'), [], 'not even those that had room');
      await connection.publish({ id: 'w', topic: 'in', key: 'w', facts: ['fact:1'] });
      consumer.grant(1);
      await consumer.nothing();
      const out = connection.consume('out');
      await connection.settled(ack(await out.one()));
      await connection.settled(ack(delivery, { opens: ['fact:1'], publish }));
      assert.deepEqual(idsOf(await out.receive(2)).toSorted(), ['s1', 's2']);
      assert.equal((await consumer.next(1))[0]?.id, 'w');
    },
  },
  {
    id: 'staged-all-or-nothing',
    promise: 'G3',
    title:
      'a process that dies while an acknowledgement is under way has stored all of it or nothing',
    needs: { atomicSettle: true },
    async run(harness) {
      const dying = await harness.open();
      await dying.subscribe({ name: 'in', topics: ['in'] }, { name: 'out', topics: ['out'] });
      await dying.publish({ id: 'm', topic: 'in' });
      const delivery = await dying.consume('in').one();
      const publish = numbered('s', 3).map((id) => ({ id, key: 'k', topic: 'out' }));
      const unanswered = dying
        .settle(ack(delivery, { opens: ['fact:1'], publish }))
        .catch(() => undefined);
      await harness.crash(dying);
      await unanswered;

      const connection = await harness.open();
      const again = connection.consume('in');
      again.grant(1);
      // Long enough for an heir that nobody told of the death.
      await harness.clock.advance(2 * harness.leaseMs);
      await harness.quiet();
      const happened = again.received.length === 0;
      const known = await Promise.all(publish.map(({ id }) => connection.store.get(id)));

      assert.deepEqual(
        known.map((views) => views.length > 0),
        publish.map(() => happened),
      );
    },
  },
];
