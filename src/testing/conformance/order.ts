/** G5: the order of a key, and that one key is never in the way of another. */

import assert from 'node:assert/strict';
import type { ConformanceCase } from './case.ts';
import { drain, expectState, idsByKey } from './flow.ts';
import { ack, deadLetter, idsOf, messages, numbered, release, retry } from './settlements.ts';

export const orders: readonly ConformanceCase[] = [
  {
    id: 'order-batch',
    promise: 'G5',
    title: 'messages of one key published together are delivered in the order of the batch',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      const keys = ['k1', 'k2', 'k3', 'k4', 'k5'];
      const ids = numbered('m', 100);
      const drafts = ids.map((id, index) => ({ id, key: keys[(index * 7) % 5] ?? null }));
      await started.connection.publish(...drafts);

      const received = await drain(started, 100);

      const expected = keys.map((key) => idsOf(drafts.filter((draft) => draft.key === key)));
      assert.deepEqual(
        keys.map((key) => idsByKey(received)[key]),
        expected,
      );
    },
  },
  {
    id: 'order-concurrent-publishers',
    promise: 'G5',
    title: 'each publisher that awaits its publishes keeps its own order on a shared key',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      const publishers = [started.connection, await harness.open(), await harness.open()];
      await Promise.all(
        publishers.map(async (publisher, index) => {
          for (const id of numbered(`${'abc'[index]}`, 15))
            await publisher.publish({ id, key: 'k' });
        }),
      );

      const received = idsOf(await drain(started, 45));

      for (const prefix of 'abc') {
        const own = received.filter((id) => id.startsWith(prefix));
        assert.deepEqual(own, numbered(prefix, 15));
      }
    },
  },
  {
    id: 'order-pipelined-publishes',
    promise: 'G5',
    title: 'publishes of one process that do not await each other keep the order of the calls',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      const ids = numbered('m', 40);
      await Promise.all(ids.map((id) => started.connection.publish({ id, key: 'k' })));

      assert.deepEqual(idsOf(await drain(started, 40)), ids);
    },
  },
  {
    id: 'order-retry',
    promise: 'G5',
    title: 'when A fails once, its key is still processed A, B, C',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      const { connection, consumer } = started;
      await connection.publish(...messages('k', ['A', 'B', 'C']));
      await connection.settled(retry(await consumer.one(), 30_000));
      consumer.grant(3);
      await consumer.nothing();
      await connection.publish({ id: 'D', key: 'k' });
      await consumer.nothing();

      await harness.clock.advance(30_000);
      const first = await consumer.next(1);
      const order = [...first, ...consumer.pending()];
      await connection.settled(...order.map((delivery) => ack(delivery)));
      order.push(...(await drain(started, 4 - order.length)));

      assert.deepEqual(idsOf(order), ['A', 'B', 'C', 'D']);
      assert.deepEqual(first[0]?.attempt, 2);
    },
  },
  {
    id: 'order-in-the-middle',
    promise: 'G5',
    title: 'a failure in the middle of a batch of a key repeats from there, never from before',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      const { connection, consumer } = started;
      const ids = numbered('m', 8);
      await connection.publish(...messages('k', ids));
      const finished: string[] = [];
      const failed = new Set<string>();

      consumer.grant(200);
      while (finished.length < ids.length) {
        const batch = [...(await consumer.next(1)), ...consumer.pending()];
        for (const delivery of batch) {
          assert.equal(delivery.id, ids[finished.length], 'never one before its predecessor');
          const fails = !failed.has(delivery.id) && Number(delivery.id.slice(1)) % 3 === 0;
          await connection.settled(fails ? retry(delivery, 20) : ack(delivery));
          if (fails) {
            failed.add(delivery.id);
            break;
          }
          finished.push(delivery.id);
        }
      }

      assert.deepEqual(finished, ids);
      assert.equal(failed.size, 2);
    },
  },
  {
    id: 'order-release',
    promise: 'G5',
    title: 'a message that is given back keeps its place before those of its key behind it',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      await started.connection.publish(...messages('k', ['A', 'B', 'C']));
      await started.connection.settled(release(await started.consumer.one(), 20_000));
      started.consumer.grant(1);
      await started.consumer.nothing();

      await harness.clock.advance(20_000);
      const [head] = await started.consumer.next(1);
      assert.ok(head);
      await started.connection.settled(ack(head));

      assert.equal(head.id, 'A');
      assert.deepEqual(idsOf(await drain(started, 2)), ['B', 'C']);
    },
  },
  {
    id: 'order-crash',
    promise: 'G5',
    title: 'the order of every key survives the death of the process that was at work on it',
    needs: {},
    async run(harness) {
      const dying = await harness.start();
      const ids = numbered('m', 60);
      const drafts = ids.map((id, index) => ({ id, key: `k${index % 4}` }));
      await dying.connection.publish(...drafts);
      const before = await drain(dying, 17);
      dying.consumer.grant(20);
      await harness.quiet();
      await harness.crash(dying.connection);

      const connection = await harness.open();
      const after = await drain({ connection, consumer: connection.consume() }, 43);

      const expected = ['k0', 'k1', 'k2', 'k3'].map((key) =>
        idsOf(drafts.filter((draft) => draft.key === key)),
      );
      assert.deepEqual(
        ['k0', 'k1', 'k2', 'k3'].map((key) => idsByKey([...before, ...after])[key]),
        expected,
      );
    },
  },
  {
    id: 'order-one-at-a-time',
    promise: 'G5',
    title: 'while one process is at work on a key, no other process is given a message of it',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      const processes = [
        { connection, consumer },
        ...[await harness.open(), await harness.open()].map((one) => ({
          connection: one,
          consumer: one.consume(),
        })),
      ];
      for (const process of processes) process.consumer.grant(10);
      await connection.publish(...messages('k', numbered('m', 6)));
      await harness.until(
        () => processes.some((process) => process.consumer.received.length > 0),
        () => 'none of three processes was given anything',
      );
      await harness.quiet();

      const busy = processes.filter((process) => process.consumer.received.length > 0);
      assert.equal(busy.length, 1, 'one process is at work on the key');
      const batch = busy[0]?.consumer.pending() ?? [];
      await busy[0]?.connection.settled(...batch.map((one) => ack(one)));
    },
  },
  {
    id: 'order-across-topics',
    promise: 'G5',
    title: 'one key is one lane, whichever topic of the subscription its messages come from',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start({ topics: ['a.first', 'b.second'] });
      await connection.publish({ id: 'm1', key: 'k', topic: 'b.second' });
      await connection.publish({ id: 'm2', key: 'k', topic: 'a.first' });
      await connection.publish({ id: 'm3', key: 'k', topic: 'b.second' });
      await connection.settled(retry(await consumer.one(), 10_000));
      consumer.grant(3);
      await consumer.nothing();
      await harness.clock.advance(10_000);

      const batch = [...(await consumer.next(1)), ...consumer.pending()];
      await connection.settled(...batch.map((one) => ack(one)));
      const rest = await drain({ connection, consumer }, 3 - batch.length);

      assert.deepEqual(idsOf([...batch, ...rest]), ['m1', 'm2', 'm3']);
    },
  },
  {
    id: 'order-none',
    promise: 'G5',
    title: 'a subscription without order works on several messages of one key at once',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start({ order: 'none' });
      await connection.publish(...messages('k', ['a', 'b', 'c']));

      const received = await consumer.receive(3);

      assert.deepEqual(idsOf(received).toSorted(), ['a', 'b', 'c']);
      assert.deepEqual(
        received.map(({ key }) => key),
        [null, null, null],
      );
      const [a, b, c] = received;
      assert.ok(a && b && c);
      await connection.settled(ack(c), retry(a, 0), ack(b));
      assert.equal((await consumer.one()).id, a.id);
    },
  },
  {
    id: 'order-keys-independent',
    promise: 'G5',
    title: 'a key that retries, waits or is blocked never delays another one',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start({ onDead: 'block' });
      await connection.publish(...messages('retries', ['r1', 'r2']));
      await connection.settled(retry(await consumer.one(), 3_600_000));
      await connection.publish(...messages('dies', ['d1', 'd2']));
      await connection.settled(deadLetter(await consumer.one()));
      await connection.publish(
        { id: 'w1', key: 'waits', facts: ['customer:1'] },
        { id: 'w2', key: 'waits' },
        { id: 's1', key: 'sleeps', delayMs: 3_600_000 },
        { id: 'u1', facts: ['customer:2'] },
      );
      const free = numbered('m', 30).map((id, index) => ({ id, key: `k${index % 6}` }));
      await connection.publish(...free, ...messages(null, numbered('n', 10)));

      const received = await drain({ connection, consumer }, 40);
      consumer.grant(10);
      await consumer.nothing();

      assert.equal(new Set(idsOf(received)).size, 40);
      for (const id of ['r2', 'd2', 'w2']) await expectState(connection, id, 'ready');
    },
  },
  {
    id: 'order-handed-over',
    promise: 'G5',
    title: 'a long backlog keeps its order when one process stops and the next one dies at it',
    needs: {},
    async run(harness) {
      const ids = numbered('m', 1_500);
      const stopping = await harness.start();
      await stopping.connection.publish(...messages('k', ids));
      await stopping.consumer.one();
      await stopping.connection.close();
      const dying = await harness.start();
      await dying.consumer.one();
      await harness.crash(dying.connection);

      const heir = await harness.start();
      const done = await drain(heir, ids.length);

      assert.deepEqual(idsOf(done), ids);
    },
  },
];
