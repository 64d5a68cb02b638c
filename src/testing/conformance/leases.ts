/** G6: who holds a message or a lane, and what a settlement by somebody else is worth. */

import assert from 'node:assert/strict';
import type { Settlement } from '../../transport/transport.ts';
import type { ConformanceCase } from './case.ts';
import { drain, expectDone, expectState, idsByKey } from './flow.ts';
import { ack, deadLetter, idsOf, messages, numbered, park, release, retry } from './settlements.ts';

export const leases: readonly ConformanceCase[] = [
  {
    id: 'settled-for-good',
    promise: 'G6',
    title: 'what was acknowledged does not come again, though its process dies in the next moment',
    needs: { settlesForGood: true },
    async run(harness) {
      const { connection, consumer } = await harness.start();
      const many = numbered('m', 100);
      await connection.publish(...messages('k', ['a']), ...messages(null, many));
      const held = await consumer.receive(101);

      await connection.settled(...held.map((delivery) => ack(delivery)));
      connection.abandon();

      const next = await harness.open();
      const others = next.consume();
      others.grant(200);
      await harness.clock.advance(harness.leaseMs + 1_000);
      await others.nothing();
    },
  },
  {
    id: 'lease-fenced',
    promise: 'G6',
    title: 'a settlement under a lost lease changes nothing, and says so',
    needs: { fencing: true, lease: 'timed' },
    async run(harness) {
      const stalled = await harness.start();
      await stalled.connection.publish(...messages('k', ['m']), ...messages(null, ['n']));
      const lost = await stalled.consumer.receive(2);
      stalled.connection.freeze();
      const connection = await harness.open();
      const consumer = connection.consume();
      await harness.clock.advance(harness.leaseMs + 1_000);
      const current = await consumer.receive(2);

      for (const stale of staleSettlements(lost)) {
        assert.deepEqual(await stalled.connection.settle(stale), ['lease-lost'], stale.kind);
      }

      await expectState(connection, 'm', 'leased');
      await expectState(connection, 'n', 'leased');
      await connection.settled(...current.map((delivery) => ack(delivery)));
      await consumer.nothing();
      assert.deepEqual((await connection.store.dead(everything)).items, []);
    },
  },
  {
    id: 'lease-fenced-effects',
    promise: 'G6',
    title: 'what an acknowledgement under a lost lease publishes and opens does not happen',
    needs: { fencing: true, lease: 'timed' },
    async run(harness) {
      const stalled = await harness.start();
      await stalled.connection.publish({ id: 'm', key: 'k' });
      const lost = await stalled.consumer.one();
      stalled.connection.freeze();
      const connection = await harness.open();
      await harness.clock.advance(harness.leaseMs + 1_000);
      const consumer = connection.consume();
      const current = await consumer.one();

      const effects = { opens: ['customer:1'], publish: [{ id: 'late' }] };
      assert.deepEqual(await stalled.connection.settle(ack(lost, effects)), ['lease-lost']);

      await connection.publish({ id: 'waits', facts: ['customer:1'] });
      consumer.grant(5);
      await consumer.nothing();
      await connection.settled(ack(current));
      assert.deepEqual(await connection.store.get('late'), []);
    },
  },
  {
    id: 'lease-lost-is-told',
    promise: 'G6',
    title: 'a process that stood still too long is told which leases it lost',
    needs: { fencing: true, lease: 'timed' },
    async run(harness) {
      const { connection: stalled, consumer } = await harness.start();
      await stalled.publish(...messages('k', ['m']), ...messages(null, ['n']));
      const held = await consumer.receive(2);
      stalled.freeze();
      const other = await harness.open();
      const taker = other.consume();
      await harness.clock.advance(harness.leaseMs + 1_000);
      await taker.receive(2);

      stalled.thaw();
      await harness.until(
        () => consumer.lost.length >= 2,
        () => `the leases of ${idsOf(held).join(', ')} were lost and nobody said so`,
      );

      const told = new Set(consumer.lost.map(({ id }) => id));
      assert.deepEqual(told, new Set(held.map(({ lease }) => lease.id)));
    },
  },
  {
    id: 'lease-kept-by-living',
    promise: 'G6',
    title: 'a process that lives keeps its leases for as long as its handlers need',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      await connection.publish(...messages('k', ['a', 'b']), ...messages(null, ['n']));
      const held = await consumer.upTo(3);
      const idle = (await harness.open()).consume();
      idle.grant(10);

      await harness.clock.advance(harness.leaseMs * 10);

      await idle.nothing();
      assert.deepEqual(consumer.lost, []);
      await connection.settled(...held.map((delivery) => ack(delivery)));
    },
  },
  {
    id: 'lease-ends-with-silence',
    promise: 'G6',
    title: 'what a dead process held is delivered elsewhere within the lease and a second',
    needs: {},
    async run(harness) {
      const dying = await harness.start();
      await dying.connection.publish(...messages('k', ['a', 'b', 'c']), ...messages(null, ['n']));
      await dying.consumer.upTo(4);
      const connection = await harness.open();
      const consumer = connection.consume();
      consumer.grant(20);
      await consumer.nothing();

      await harness.crash(dying.connection);

      assert.deepEqual(idsByKey(await drain({ connection, consumer }, 4, 20)), {
        k: ['a', 'b', 'c'],
      });
    },
  },
  {
    id: 'lease-tokens-grow',
    promise: 'G6',
    title: 'the token of a lane grows with every hand-over, so that a late writer can be refused',
    needs: {},
    async run(harness) {
      let { connection, consumer } = await harness.start();
      await connection.publish(...messages('k', ['a', 'b']));
      const tokens: number[] = [];

      for (const settle of [retry, release, null, retry, null]) {
        const delivery = await consumer.one();
        tokens.push(delivery.lease.token);
        if (settle !== null) await connection.settled(settle(delivery, 0));
        else {
          await harness.crash(connection);
          connection = await harness.open();
          consumer = connection.consume();
        }
      }

      const grown = tokens.every((token, index) => index === 0 || token > (tokens[index - 1] ?? 0));
      assert.ok(grown, `tokens should grow: ${tokens.join(', ')}`);
    },
  },
  {
    id: 'lease-acks-in-order',
    promise: 'G6',
    title: 'messages of a key are acknowledged one by one, and only those are gone',
    needs: {},
    async run(harness) {
      const dying = await harness.start();
      await dying.connection.publish(...messages('k', ['a', 'b', 'c', 'd']));
      const received = [];
      for (const id of ['a', 'b']) {
        const delivery = await dying.consumer.one();
        received.push(delivery.id);
        await dying.connection.settled(ack(delivery));
        assert.equal(delivery.id, id);
      }
      await dying.consumer.one();
      await harness.crash(dying.connection);

      const connection = await harness.open();
      const left = await drain({ connection, consumer: connection.consume() }, 2);

      assert.deepEqual([...received, ...idsOf(left)], ['a', 'b', 'c', 'd']);
      await expectDone(connection, 'a', 'b');
    },
  },
  {
    id: 'lease-ends-at-first-failure',
    promise: 'G6',
    title: 'when one message of a key is given back, those behind it go back as well, in place',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      const { connection, consumer } = started;
      await connection.publish(...messages('k', ['a', 'b', 'c', 'd']));
      consumer.grant(4);
      const first = [...(await consumer.next(1)), ...consumer.pending()];
      const [head, ...behind] = first;
      assert.ok(head);

      await connection.settled(release(head));
      const late = await connection.settle(...behind.map((delivery) => ack(delivery)));

      assert.deepEqual(late, Array(behind.length).fill('lease-lost'));
      assert.deepEqual(idsOf(await drain(started, 4)).slice(-4), ['a', 'b', 'c', 'd']);
    },
  },
  {
    id: 'lease-one-outcome-each',
    promise: 'G6',
    title: 'a batch of settlements answers each by itself: a lost one does not spoil the others',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      await connection.publish(...messages(null, ['a', 'b', 'c']));
      const [a, b, c] = await consumer.receive(3);
      assert.ok(a && b && c);

      await connection.settled(ack(b));
      const outcomes = await connection.settle(ack(a), ack(b), ack(c));

      assert.deepEqual(outcomes, ['settled', 'lease-lost', 'settled']);
    },
  },
];

const everything = { subscription: null, id: null, cursor: null, limit: 100 } as const;

function staleSettlements(lost: readonly Parameters<typeof ack>[0][]): Settlement[] {
  return lost.flatMap((delivery) => [
    retry(delivery, 0),
    release(delivery),
    park(delivery, 'customer:1'),
    deadLetter(delivery),
    ack(delivery),
  ]);
}
