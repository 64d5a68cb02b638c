/** G14: messages that wait for any of several facts. */

import assert from 'node:assert/strict';
import { anyNeedOf } from '../../message/need.ts';
import type { ConformanceCase } from './case.ts';
import { drain, expectState, untilWaiting } from './flow.ts';
import { idsOf, messages, park } from './settlements.ts';

const either = anyNeedOf(['customer:1', 'guest:a|b,"c"']);
const other = 'guest:a|b,"c"';

export const waitingAny: readonly ConformanceCase[] = [
  {
    id: 'wait-any-of',
    promise: 'G14',
    title: 'a message that waits for any of several facts is delivered at the first one, once',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      await connection.publish(
        { id: 'm', key: 'k', facts: [either] },
        { id: 'n', facts: [anyNeedOf(['day:1', 'customer:1', 'day:2'])] },
        { id: 'o', key: 'k' },
      );
      consumer.grant(5);
      await connection.fulfil('guest:a', 'day:3', either);
      await consumer.nothing();
      await expectState(connection, 'm', 'waiting');

      await connection.fulfil(other);
      const [first, second] = await consumer.next(2);
      assert.deepEqual([first?.id, second?.id], ['m', 'o']);
      await connection.fulfil('customer:1');
      const [third] = await consumer.next(1);

      assert.equal(third?.id, 'n');
      assert.equal(third.waitTimedOut, false);
      await connection.fulfil('day:1', 'day:2');
      await consumer.nothing();
    },
  },
  {
    id: 'any-of-then-wait',
    promise: 'G14',
    title: 'a message for which one of several facts is there already does not wait',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      await connection.fulfil('customer:1');
      await connection.publish({ id: 'm', key: 'k', facts: [either] }, { id: 'n', key: 'l' });
      const [first, second] = await consumer.receive(2);
      assert.ok(first && second);

      const n = first.id === 'n' ? first : second;
      assert.deepEqual(await connection.settle(park(n, either)), ['not-parked']);

      assert.equal((await consumer.one()).id, 'n');
    },
  },
  {
    id: 'wait-any-and-all',
    promise: 'G14',
    title: 'any of several, and another one as well: each has to be there in the end',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      const facts = ['account:7', either];
      await connection.publish(...messages('k', ['m']).map((draft) => ({ ...draft, facts })));
      consumer.grant(5);
      await connection.fulfil('customer:1');
      await consumer.nothing();
      const view = await expectState(connection, 'm', 'waiting');
      if (view !== null) assert.deepEqual(view.waitingFor, ['account:7']);

      // It was met for a while, and is not any more.
      await connection.revoke('customer:1');
      await connection.fulfil('account:7');
      await consumer.nothing();
      const still = await expectState(connection, 'm', 'waiting');
      if (still !== null) assert.deepEqual(still.waitingFor, [either]);
      await connection.fulfil(other);

      assert.deepEqual(idsOf(await consumer.next(1)), ['m']);
      await consumer.nothing();
    },
  },
  {
    id: 'park-any-of',
    promise: 'G14',
    title: 'a handler may wait for any of several facts; that survives the death of its process',
    needs: {},
    async run(harness) {
      const first = await harness.start();
      await first.connection.publish(...messages('k', ['a', 'b']));
      const [head] = await first.consumer.upTo(2);
      assert.equal(head?.id, 'a');
      await first.connection.settled(park(head, either));
      await harness.quiet();
      await harness.crash(first.connection);

      const second = await harness.start();
      second.consumer.grant(2);
      await second.consumer.nothing();
      await untilWaiting(second.connection, 1);
      for (const fact of ['customer:1', other]) {
        const query = { subscription: 'billing', fact, cursor: null, limit: 10 };
        assert.deepEqual(idsOf((await second.connection.store.waiting(query)).items), ['a'], fact);
      }
      await second.connection.fulfil(other);

      const came = await drain(second, 2, 2);
      assert.deepEqual(
        came.map(({ id, attempt }) => [id, attempt]),
        [
          ['a', 1],
          ['b', 1],
        ],
      );
    },
  },
];
