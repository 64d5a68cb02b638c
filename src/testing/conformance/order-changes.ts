/**
 * G5, G8: a subscription that begins to order by key, or ceases to, keeps what it holds. What was
 * accepted in order stays in order, and a key that is shut stays shut until it is redriven.
 */

import assert from 'node:assert/strict';
import type { Delivery, OnDead } from '../../transport/transport.ts';
import type { ConformanceCase } from './case.ts';
import type { Connection, Started } from './harness.ts';
import { drain, idsByKey } from './flow.ts';
import { ack, deadLetter, idsOf, messages, numbered, retry } from './settlements.ts';

export const orderChanges: readonly ConformanceCase[] = [
  {
    id: 'order-change-keeps-lanes',
    promise: 'G5',
    title: 'what was accepted in order stays in order when its subscription ceases to order',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      const { connection, consumer } = started;
      await connection.publish({ id: 'w1', key: 'waits', facts: ['customer:1'] });
      await connection.publish(...messages('waits', ['w2']), ...messages('tries', ['t1', 't2']));
      await connection.settled(retry(await consumer.one(), 3_000));
      await connection.publish(...messages('works', ['x1', 'x2', 'x3']));
      const at = await consumer.one();

      await connection.subscribe({ order: 'none', replace: true });
      const loose = ['waits', 'tries', 'works'].map((key) => ({ id: `new of ${key}`, key }));
      await connection.publish(...loose);

      const free = await drain(started, 3);
      assert.deepEqual(idsOf(free).toSorted(), idsOf(loose).toSorted());
      assert.ok(free.every(({ key }) => key === null));
      consumer.grant(7);
      await consumer.nothing();
      await connection.settled(ack(at));
      assert.deepEqual(idsByKey(await drain(started, 2, 2)), { works: ['x2', 'x3'] });
      await connection.fulfil('customer:1');
      assert.deepEqual(idsByKey(await drain(started, 2, 2)), { waits: ['w1', 'w2'] });
      await harness.clock.advance(3_000);
      assert.deepEqual(idsByKey(await drain(started, 2, 2)), { tries: ['t1', 't2'] });
    },
  },
  {
    id: 'order-change-at-restart',
    promise: 'G5',
    title: 'what a crash left in order stays in order for a process that no longer orders',
    needs: {},
    async run(harness) {
      const first = await harness.start();
      const ids = numbered('m', 5);
      await first.connection.publish(...messages('k', ids));
      await first.consumer.one();
      await harness.crash(first.connection);

      const second = await harness.start({ order: 'none', replace: true });
      await second.connection.publish(...messages('k', ['new']));

      const received = await drain(second, 6);
      assert.deepEqual(idsByKey(received), { k: ids });
      assert.deepEqual(idsOf(received.filter(({ key }) => key === null)), ['new']);
    },
  },
  {
    id: 'order-change-keeps-loose',
    promise: 'G5',
    title: 'what was accepted without order is delivered when its subscription begins to order',
    needs: {},
    async run(harness) {
      const started = await harness.start({ order: 'none', onDead: 'block' });
      const { connection, consumer } = started;
      await connection.publish({ id: 'w', key: 'k', facts: ['customer:1'] });
      for (const end of [deadLetter, (one: Delivery) => retry(one, 3_000)]) {
        await connection.publish({ id: end === deadLetter ? 'd' : 't', key: 'k' });
        await connection.settled(end(await consumer.one()));
      }
      await connection.publish(...messages('k', ['l1', 'l2']));
      const [first] = await consumer.receive(1);

      await connection.subscribe({ onDead: 'block', replace: true });
      await connection.publish(...messages('k', ['a', 'b']));
      const all = { all: true, subscription: 'billing' } as const;
      assert.equal(await connection.store.redrive(all), 1);

      const rest = await drain(started, 4);
      assert.deepEqual(idsByKey(rest), { k: ['a', 'b'] });
      await connection.settled(ack(first!));
      await connection.fulfil('customer:1');
      await harness.clock.advance(3_000);
      const last = await drain(started, 2);
      const loose = [first!, ...rest, ...last].filter(({ key }) => key === null);
      assert.deepEqual(idsOf(loose).toSorted(), ['d', 'l1', 'l2', 't', 'w']);
    },
  },
  ...(['block', 'divert'] as const).map((onDead): ConformanceCase => {
    return {
      id: `redrive-after-order-change-${onDead}`,
      promise: 'G8',
      title: `a redrive opens a key shut by \`${onDead}\` before its subscription ceased to order`,
      needs: {},
      run: async (harness) => {
        const first = await harness.start({ onDead });
        await shutKey(first);
        await harness.quiet();
        await first.connection.subscribe(without(onDead));
        await first.connection.publish(...messages('k', ['new']));
        const [free] = await drain(first, 1);
        assert.deepEqual([free?.id, free?.key], ['new', null]);
        await redrive(first.connection);

        const again = await first.consumer.one();
        assert.equal(again.id, 'a');
        await first.connection.settled(deadLetter(again));
        await harness.crash(first.connection);

        const second = await harness.start(without(onDead));
        second.consumer.grant(4);
        await second.consumer.nothing();
        await second.connection.subscribe({ onDead, replace: true });
        await second.connection.publish(...messages('k', ['d']));
        await second.consumer.nothing();
        await redrive(second.connection);
        assert.deepEqual(idsOf(await drain(second, 4, 4)), ['a', 'b', 'c', 'd']);
        assert.deepEqual((await second.connection.view()).blockedKeys, []);
        const left = { subscription: null, id: null, cursor: null, limit: 10 };
        assert.deepEqual((await second.connection.store.dead(left)).items, []);
      },
    };
  }),
];

function without(onDead: OnDead) {
  return { onDead, order: 'none', replace: true } as const;
}

/** `a` is dead and holds the key of `b` and `c` shut. */
async function shutKey({ connection, consumer }: Started): Promise<void> {
  await connection.publish(...messages('k', ['a', 'b']));
  await connection.settled(deadLetter(await consumer.one()));
  await connection.publish(...messages('k', ['c']));
}

async function redrive({ store }: Connection): Promise<void> {
  assert.ok((await store.redrive({ ids: ['a'], subscription: null })) >= 1);
}
