/** G1: publishes that join a transaction of the caller. */

import assert from 'node:assert/strict';
import { MaloteError } from '../../errors.ts';
import type { ConformanceCase } from './case.ts';
import { drain } from './flow.ts';
import { ack, idsOf, messages, numbered, usualTopic } from './settlements.ts';

const needs = { transactions: true };

export const joins: readonly ConformanceCase[] = [
  {
    id: 'join-commit',
    promise: 'G1',
    title: "what is published in the caller's transaction exists once that commits, and not before",
    needs,
    async run(harness) {
      const started = await harness.start();
      const { connection, consumer } = started;
      const transaction = harness.begin();
      const ids = numbered('m', 5);
      const outcomes = connection.join(transaction, ...messages('k', ids));
      assert.deepEqual(
        outcomes,
        Array.from({ length: 5 }, () => ({ kind: 'stored' })),
      );
      consumer.grant(5);
      await harness.quiet();
      assert.deepEqual(consumer.received, []);
      assert.deepEqual(await connection.store.get('m1'), []);

      transaction.commit();

      assert.deepEqual(idsOf(await drain(started, 5, 5)), ids);
    },
  },
  {
    id: 'join-rollback',
    promise: 'G1',
    title: "what is published in the caller's transaction never existed when that rolls back",
    needs,
    async run(harness) {
      const { connection, consumer } = await harness.start();
      consumer.grant(5);
      const transaction = harness.begin();
      connection.join(transaction, ...messages('k', ['a']), { id: 'n', dedupe: ['payment:7'] });

      transaction.rollback();

      await consumer.nothing();
      assert.deepEqual(await connection.store.get('a'), []);
      assert.equal((await connection.view()).stats.depth, 0);
      await connection.publish({ id: 'again', dedupe: ['payment:7'] });
      assert.equal((await consumer.next(1))[0]?.id, 'again');
    },
  },
  {
    id: 'join-wait-is-told',
    promise: 'G16',
    title: 'a wait that began in a transaction is told after its commit, never after a rollback',
    needs,
    async run(harness) {
      const { connection } = await harness.start();
      const facts = ['customer:1'];
      const undone = harness.begin();
      connection.join(undone, { id: 'undone', key: 'k', facts });
      undone.rollback();
      const transaction = harness.begin();
      connection.join(transaction, { id: 'm', key: 'k', facts });
      await harness.quiet();
      assert.deepEqual(connection.events, []);

      transaction.commit();
      await harness.quiet();

      const told = { kind: 'waiting', facts, subscription: 'billing', id: 'm' };
      assert.deepEqual(connection.events, [told]);
    },
  },
  {
    id: 'join-order',
    promise: 'G5',
    title: 'messages of a key published in a transaction stand behind those committed before it',
    needs,
    async run(harness) {
      const started = await harness.start();
      await started.connection.publish(...messages('k', ['a']));
      const transaction = harness.begin();
      started.connection.join(transaction, ...messages('k', ['b']));
      started.connection.join(transaction, ...messages('k', ['c', 'd']));
      transaction.commit();
      await started.connection.publish(...messages('k', ['e']));

      assert.deepEqual(idsOf(await drain(started, 5)), ['a', 'b', 'c', 'd', 'e']);
    },
  },
  {
    id: 'join-dedupe',
    promise: 'G2',
    title: 'a repetition is recognised in a transaction, of what was committed and of its own',
    needs: { ...needs, dedupe: true },
    async run(harness) {
      const started = await harness.start();
      await started.connection.publish({ id: 'first', key: 'k', dedupe: ['payment:7'] });
      const transaction = harness.begin();
      const outcomes = started.connection.join(
        transaction,
        { id: 'second', key: 'k', dedupe: ['payment:7'] },
        { id: 'third', key: 'k', dedupe: ['payment:8'] },
        { id: 'fourth', key: 'k', dedupe: ['payment:8'] },
      );
      transaction.commit();

      assert.deepEqual(outcomes, [
        { kind: 'duplicate', id: 'first' },
        { kind: 'stored' },
        { kind: 'duplicate', id: 'third' },
      ]);
      assert.deepEqual(idsOf(await drain(started, 2)), ['first', 'third']);
    },
  },
  {
    id: 'join-full',
    promise: 'G11',
    title: 'a full subscription refuses in a transaction too, and the transaction goes on',
    needs,
    async run(harness) {
      const { connection, consumer } = await harness.start({ maxDepth: 2 });
      await connection.publish({ id: 'a', key: 'k' });
      const transaction = harness.begin();
      const outcomes = connection.join(transaction, ...messages('k', ['b', 'c']));
      transaction.commit();

      const full = { kind: 'full', subscription: 'billing', topics: [usualTopic] };
      assert.deepEqual(outcomes, [{ kind: 'stored' }, full]);
      assert.deepEqual(idsOf(await drain({ connection, consumer }, 2)), ['a', 'b']);
    },
  },
  {
    id: 'join-without-subscription',
    promise: 'G1',
    title: 'a topic without a subscription keeps what a transaction publishes to it',
    needs,
    async run(harness) {
      const connection = await harness.open();
      const transaction = harness.begin();
      connection.join(transaction, ...messages('k', ['a', 'b']));
      transaction.commit();

      assert.deepEqual(idsOf(await drain(await harness.start(), 2)), ['a', 'b']);
    },
  },
  {
    id: 'join-outside',
    promise: 'G1',
    title: 'a publish that should join a transaction is refused where there is none',
    needs,
    async run(harness) {
      const { connection, consumer } = await harness.start();
      const transaction = harness.begin();
      transaction.commit();

      assert.throws(
        () => connection.join(transaction, { id: 'm' }),
        (error: unknown) => error instanceof MaloteError && error.code === 'TRANSACTION_REQUIRED',
      );

      consumer.grant(1);
      await consumer.nothing();
    },
  },
  {
    id: 'join-with-work-going-on',
    promise: 'G1',
    title: 'an open transaction delays the work of consumers, and loses none of it',
    needs,
    async run(harness) {
      const { connection, consumer } = await harness.start();
      await connection.publish(...messages('k', ['a', 'b']));
      const head = await consumer.one();
      const transaction = harness.begin();
      connection.join(transaction, { id: 'c', key: 'k' });
      const settling = connection.settle(ack(head));
      await harness.quiet();
      transaction.commit();
      await harness.quiet();

      assert.deepEqual(await settling, ['settled']);
      assert.deepEqual(idsOf(await drain({ connection, consumer }, 2)), ['b', 'c']);
    },
  },
];
