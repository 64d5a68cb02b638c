/** G16: what a subscription says of itself at rest: its figures, who consumes it, who has what. */

import assert from 'node:assert/strict';
import type { SubscriptionView } from '../../transport/store.ts';
import type { ConformanceCase } from './case.ts';
import type { Connection, Harness } from './harness.ts';
import { ack, deadLetter, retry } from './settlements.ts';

export const figures: readonly ConformanceCase[] = [
  {
    id: 'stats-at-rest',
    promise: 'G16',
    title: 'once nothing moves, the figures say how many messages are in which state',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      await connection.publish({ id: 'is done' });
      await connection.settled(ack(await consumer.one()));
      await connection.publish({ id: 'retries', key: 'a' });
      await connection.settled(retry(await consumer.one(), 120_000));
      await connection.publish({ id: 'is dead', key: 'b' }, { id: 'is dead, too' });
      const dying = await consumer.receive(2);
      for (const delivery of dying) await connection.settled(deadLetter(delivery));
      await connection.publish(
        { id: 'waits', key: 'c', facts: ['customer:1'] },
        { id: 'behind', key: 'c' },
      );
      await connection.publish({ id: 'is leased', key: 'd' }, { id: 'is leased, too' });
      await consumer.receive(2);
      await connection.publish({ id: 'is scheduled', key: 'e', delayMs: 120_000 });
      await connection.publish({ id: 'is ready', key: 'f' }, { id: 'is ready, too' });

      const { stats } = await untilView(harness, connection, ({ stats: now }) => now.depth === 8);
      const { oldestAt: _, ...counts } = stats;

      assert.deepEqual(counts, {
        depth: 8,
        scheduled: 1,
        ready: 3,
        leased: 2,
        retrying: 1,
        waiting: 1,
        dead: 2,
        done: 1,
        cancelled: 0,
      });
      const watcher = await harness.open();
      await harness.crash(connection);
      const left = await untilView(harness, watcher, ({ stats: now }) => now.depth === 8);
      assert.equal(left.stats.dead, 2);
    },
  },
  {
    id: 'stats-of-nothing',
    promise: 'G16',
    title: 'a subscription that holds nothing says so, with and without a consumer',
    needs: {},
    async run(harness) {
      const watcher = await harness.open();
      const { connection, consumer } = await harness.start();
      assert.equal((await watcher.view()).stats.depth, 0);
      await connection.publish({ id: 'a', key: 'k' }, { id: 'b' });
      for (const delivery of await consumer.receive(2)) await connection.settled(ack(delivery));
      await connection.close();

      const { stats } = await untilView(harness, watcher, ({ stats: now }) => now.depth === 0);

      assert.deepEqual([stats.ready, stats.leased, stats.dead], [0, 0, 0]);
    },
  },
  {
    id: 'consumers-counted',
    promise: 'G16',
    title: 'a subscription says how many living processes consume it',
    needs: {},
    async run(harness) {
      const { connection } = await harness.start();
      const watcher = await harness.open();
      const consumers = async (count: number): Promise<void> =>
        void (await untilView(harness, watcher, (view) => view.consumers === count));
      await consumers(1);
      const second = await harness.open();
      const both = [second.consume(), second.consume()];
      await consumers(2);

      for (const consumer of both) consumer.stop();
      await consumers(1);
      await harness.crash(connection);

      await consumers(0);
    },
  },
  {
    id: 'partitions-owned',
    promise: 'G16',
    title: 'a subscription says which process has which partition, and each is told of its own',
    needs: { delivery: 'partitions' },
    async run(harness) {
      const { connection } = await harness.start();
      const owned = (view: SubscriptionView, by: Connection): number[] =>
        view.partitions!.flatMap(({ index, owner }) => (owner === by.process ? [index] : []));
      const all = await untilView(harness, connection, (view) => isOwned(view, [connection]));
      assert.ok(all.partitions!.length > 1, 'there should be partitions to share');
      const second = await harness.open();
      second.consume();

      const shared = await untilView(harness, connection, (view) =>
        isOwned(view, [connection, second]),
      );

      const most = Math.ceil(shared.partitions!.length / 2);
      for (const each of [connection, second]) {
        assert.ok(owned(shared, each).length <= most, 'each should have no more than its share');
        assert.deepEqual(heard(each), owned(shared, each));
      }
      await harness.crash(connection);
      const left = await untilView(harness, second, (view) => isOwned(view, [second]));
      assert.deepEqual(heard(second), owned(left, second));
    },
  },
];

function isOwned({ partitions }: SubscriptionView, by: readonly Connection[]): boolean {
  const owners = new Set(partitions!.map(({ owner }) => owner));
  return owners.size === by.length && by.every(({ process }) => owners.has(process));
}

/** The partitions that a process has, as its events tell. */
function heard({ events }: Connection): number[] {
  const has = new Set<number>();
  for (const event of events) {
    if (event.kind === 'partition-taken') has.add(event.partition);
    else if (event.kind === 'partition-let-go') has.delete(event.partition);
  }
  return [...has].toSorted((a, b) => a - b);
}

/** An engine that estimates may see a moment late what has just happened. */
async function untilView(
  harness: Harness,
  connection: Connection,
  fits: (view: SubscriptionView) => boolean,
): Promise<SubscriptionView> {
  for (let looks = 1; ; looks++) {
    await harness.quiet();
    const view = await connection.view();
    if (fits(view)) return view;
    assert.ok(looks < 100, `it says ${JSON.stringify(view)}`);
  }
}
