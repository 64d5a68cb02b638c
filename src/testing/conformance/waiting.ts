/** G14: messages that wait for a fact. */

import assert from 'node:assert/strict';
import type { ConformanceCase } from './case.ts';
import { drain, expectDone, expectState } from './flow.ts';
import { ack, idsOf, messages, numbered, park } from './settlements.ts';

export const waiting: readonly ConformanceCase[] = [
  {
    id: 'wait-then-fact',
    promise: 'G14',
    title: 'a message that waits for a fact is delivered as soon as the fact is there',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      const registry = await harness.open();
      await connection.publish(
        { id: 'm', key: 'k', facts: ['customer:1'] },
        { id: 'n', facts: ['customer:1'] },
      );
      consumer.grant(2);
      await consumer.nothing();
      await expectState(connection, 'm', 'waiting');

      await registry.fulfil('customer:1');
      const both = await consumer.next(2);

      assert.deepEqual(idsOf(both).toSorted(), ['m', 'n']);
      assert.ok(both.every(({ waitTimedOut }) => !waitTimedOut));
    },
  },
  {
    id: 'fact-then-wait',
    promise: 'G14',
    title: 'a message whose fact came first does not wait, however long ago that was',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      await connection.fulfil('customer:1', 'customer:2');
      await harness.clock.advance(40_000);
      await connection.publish({ id: 'm', key: 'k', facts: ['customer:1'] }, { id: 'n', key: 'l' });
      const [first, second] = await consumer.receive(2);
      assert.ok(first && second);

      const n = first.id === 'n' ? first : second;
      assert.deepEqual(await connection.settle(park(n, 'customer:2')), ['not-parked']);

      const again = await consumer.one();
      assert.deepEqual([again.id, again.attempt, again.waitTimedOut], ['n', 1, false]);
    },
  },
  {
    id: 'facts-outlive-processes',
    promise: 'G14',
    title: 'a fact, and what waits for one, survive the death of every process',
    needs: {},
    async run(harness) {
      const first = await harness.start();
      await first.connection.fulfil('early:1');
      await first.connection.publish({ id: 'm', key: 'k', facts: ['late:1'] });
      await harness.quiet();
      await harness.crash(first.connection);

      const connection = await harness.open();
      const consumer = connection.consume();
      await connection.publish({ id: 'n', facts: ['early:1'] });
      assert.equal((await consumer.one()).id, 'n');
      await connection.fulfil('late:1');

      assert.equal((await consumer.one()).id, 'm');
    },
  },
  {
    id: 'wait-all-of',
    promise: 'G14',
    title: 'a message that waits for several facts is delivered when the last one is there, once',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      const facts = ['customer:1', 'account:7', 'day:open'];
      await connection.publish({ id: 'm', key: 'k', facts });
      consumer.grant(5);
      await connection.fulfil('account:7', 'account:7');
      await connection.fulfil('account:7');
      await connection.fulfil('customer:1');
      await consumer.nothing();
      const view = await expectState(connection, 'm', 'waiting');
      if (view !== null) assert.deepEqual(view.waitingFor, ['day:open']);

      await connection.fulfil('day:open');
      const [delivery] = await consumer.next(1);

      assert.equal(delivery?.id, 'm');
      await consumer.nothing();
    },
  },
  {
    id: 'wait-other-fact',
    promise: 'G14',
    title: 'only its own fact releases a message: another name or another id does not',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      await connection.publish({ id: 'm', key: 'k', facts: ['customer:1'] });
      consumer.grant(1);

      await connection.fulfil(
        'customer:10',
        'account:1',
        'customer:',
        'customer:1:1',
        'Customer:1',
      );

      await consumer.nothing();
    },
  },
  {
    id: 'wait-holds-followers',
    promise: 'G14',
    title: 'while the first message of a key waits, those behind it wait with it, in order',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      const { connection, consumer } = started;
      await connection.publish(
        { id: 'a', key: 'k', facts: ['customer:1'] },
        { id: 'b', key: 'k' },
        { id: 'c', key: 'k', facts: ['customer:2'] },
        { id: 'd', key: 'k' },
      );
      consumer.grant(4);
      await consumer.nothing();

      await connection.fulfil('customer:1');
      const first = [...(await consumer.next(1)), ...consumer.pending()];
      await connection.settled(...first.map((delivery) => ack(delivery)));
      await drain(started, 2 - first.length);
      await consumer.nothing();
      await connection.fulfil('customer:2');
      const rest = await drain(started, 2);

      assert.deepEqual(idsOf(consumer.received), ['a', 'b', 'c', 'd']);
      assert.deepEqual(idsOf(rest), ['c', 'd']);
    },
  },
  {
    id: 'park-holds-followers',
    promise: 'G14',
    title: 'a message parked by its handler keeps its place before those of its key behind it',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      const { connection, consumer } = started;
      await connection.publish(...messages('k', ['a', 'b', 'c']));
      await connection.settled(park(await consumer.one(), 'customer:1'));
      await connection.publish({ id: 'd', key: 'k' });
      consumer.grant(1);
      await consumer.nothing();
      await expectState(connection, 'b', 'ready');

      await connection.fulfil('customer:1');
      const [head] = await consumer.next(1);
      assert.ok(head);
      await connection.settled(ack(head));
      const rest = await drain(started, 3);

      assert.deepEqual(idsOf([head, ...rest]), ['a', 'b', 'c', 'd']);
    },
  },
  {
    id: 'wait-costs-no-credit',
    promise: 'G14',
    title: 'messages that wait take no place of those that could be worked on',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      const waiters = numbered('w', 50).map((id) => ({ id, key: id, facts: ['customer:1'] }));
      await connection.publish(...waiters, { id: 'u', facts: ['customer:1'] }, { id: 'm' });

      assert.equal((await consumer.one()).id, 'm');
      await consumer.nothing();
    },
  },
  {
    id: 'wait-opted-out',
    promise: 'G14',
    title: 'a subscription that does not wait is given the message at once, beside one that does',
    needs: {},
    async run(harness) {
      const connection = await harness.open();
      await connection.subscribe({ name: 'ledger' }, { name: 'audit', waits: false });
      const ledger = connection.consume('ledger');
      const audit = connection.consume('audit');
      await connection.publish({ id: 'm', key: 'k', facts: ['customer:1'] });

      assert.equal((await audit.one()).id, 'm');
      ledger.grant(1);
      await ledger.nothing();
      await connection.fulfil('customer:1');

      assert.equal((await ledger.next(1))[0]?.id, 'm');
    },
  },
  {
    id: 'fact-revoked',
    promise: 'G14',
    title: 'who comes after a fact was revoked waits again; who was released stays released',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      await connection.fulfil('customer:1');
      await connection.publish({ id: 'before', key: 'k', facts: ['customer:1'] });
      const before = await consumer.one();
      await connection.revoke('customer:1');
      await connection.settled(ack(before));
      await connection.publish({ id: 'after', key: 'k', facts: ['customer:1'] });
      consumer.grant(1);
      await consumer.nothing();

      await connection.fulfil('customer:1');
      const [after] = await consumer.next(1);

      assert.ok(after);
      assert.equal(after.id, 'after');
      await connection.settled(ack(after));
      await expectDone(connection, 'before', 'after');
    },
  },
  {
    id: 'fact-opened-by-ack',
    promise: 'G14',
    title: 'an acknowledgement opens its facts: they release who waits and who comes later',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      await connection.publish({ id: 'registration' });
      const registration = await consumer.one();
      await connection.publish({ id: 'waits', key: 'k', facts: ['customer:1'] });
      consumer.grant(2);
      await consumer.nothing();

      await connection.settled(ack(registration, { opens: ['customer:1'] }));
      const [first] = await consumer.next(1);
      await connection.publish({ id: 'later', facts: ['customer:1'] });
      const [second] = await consumer.next(1);

      assert.deepEqual([first?.id, second?.id], ['waits', 'later']);
    },
  },
  {
    id: 'fact-mass-release',
    promise: 'G14',
    title: 'a fact releases two thousand waiting messages, and each key keeps its order',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      const drafts = numbered('m', 2_000).map((id, index) => ({
        id,
        key: index % 10 === 0 ? null : `k${index % 61}`,
        facts: index % 3 === 0 ? ['day:open', 'rates:eur'] : ['day:open'],
      }));
      await started.connection.publish(...drafts.slice(0, 1_000));
      await started.connection.publish(...drafts.slice(1_000));
      await started.connection.fulfil('rates:eur');
      started.consumer.grant(2_000);
      await started.consumer.nothing();

      await started.connection.fulfil('day:open');
      const all = await drain(started, 2_000, 2_000);

      const came = new Map(idsOf(all).map((id, index) => [id, index]));
      assert.equal(came.size, 2_000);
      for (const key of new Set(drafts.map((draft) => draft.key))) {
        const places = drafts.filter((one) => one.key === key).map(({ id }) => came.get(id) ?? -1);
        const sorted = places.toSorted((a, b) => a - b);
        if (key !== null) assert.deepEqual(places, sorted, `the order of ${key}`);
      }
    },
  },
];
