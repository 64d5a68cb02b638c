/** The cases of a broker with a store beside it: those it keeps, and some of its own. */
import assert from 'node:assert/strict';
import { conformance, type ConformanceCase } from 'malote/testing';
import { ack, deadLetter } from '../../src/testing/conformance/settlements.ts';

const others = [
  // What it asks for is full; here the row of a message waits until its subscription has room.
  'dedupe-forgets-refused',
  // The store knows when a message was relayed, and not when it is done: its week begins there.
  'dedupe-outlives-message',
];

/**
 * Those about keys and about waiting. Others mix messages with and without keys in one lane: the
 * ones go by the outbox, the others straight to the engine, and nothing orders the two.
 */
export const keyed = conformance.filter(
  ({ id, promise }) => (promise === 'G2' || promise === 'G14') && !others.includes(id),
);

/** An owner knows no fact but those it has asked for: what it takes over, and what comes back. */
export const asked: readonly ConformanceCase[] = [
  {
    id: 'fact-while-nobody-owns',
    promise: 'G14',
    title: 'a message whose fact came in time is in time, whoever owns it after its deadline',
    needs: {},
    async run(harness) {
      const heir = await harness.open();
      const { connection } = await harness.start({ waitingDeadlineMs: 20_000 });
      await connection.publish({ id: 'm', key: 'k', facts: ['customer:1'] });
      await harness.quiet();
      await harness.crash(connection);
      await heir.fulfil('customer:1');
      await harness.clock.advance(30_000);

      const delivery = await heir.consume().one();

      assert.deepEqual([delivery.id, delivery.waitTimedOut], ['m', false]);
      await heir.settled(ack(delivery));
    },
  },
  {
    id: 'fact-of-returned',
    promise: 'G14',
    title: 'a dead letter that comes back to an owner who never knew its fact does not wait',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start({ onDead: 'block' });
      await connection.fulfil('customer:1');
      await connection.publish({ id: 'm', key: 'k', facts: ['customer:1'] });
      await connection.settled(deadLetter(await consumer.one()));
      await connection.close();

      const heir = await harness.open();
      const inherited = heir.consume();
      await harness.quiet();
      assert.equal(await heir.store.redrive({ ids: ['m'], subscription: null }), 1);
      const delivery = await inherited.one();

      assert.deepEqual([delivery.id, delivery.attempt], ['m', 1]);
      await heir.settled(ack(delivery));
    },
  },
];
