/** G8: dead letters sent back. */

import assert from 'node:assert/strict';
import { settleTurns } from '../virtual-clock.ts';
import type { ConformanceCase } from './case.ts';
import type { Connection, Consumer, Started } from './harness.ts';
import { drain, expectDone, expectState, idsByKey, viewOf } from './flow.ts';
import { ack, deadLetter, idsOf, messages, numbered, retry } from './settlements.ts';

export const redrives: readonly ConformanceCase[] = [
  {
    id: 'redrive-fresh-start',
    promise: 'G8',
    title: 'a message sent back starts again with its first attempt, its body whole',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      const body = 'ünïcode 🧨';
      await connection.publish({ id: 'm', key: 'k', body, headers: '{"a":1}' });
      await connection.settled(retry(await consumer.one(), 0));
      await connection.settled(deadLetter(await consumer.one()));

      assert.equal(await connection.store.redrive({ ids: ['m'], subscription: null }), 1);
      const again = await consumer.one();

      assert.deepEqual(
        [again.id, again.attempt, again.suspicion, again.body, again.headers],
        ['m', 1, 'none', body, '{"a":1}'],
      );
    },
  },
  {
    id: 'redrive-waits-anew',
    promise: 'G8',
    title: 'a message that died of waiting can be sent back, and waits for its fact anew',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start({ waitingDeadlineMs: 20_000 });
      const facts = ['customer:1'];
      await connection.publish({ id: 'm', key: 'k', facts }, { id: 'n', facts });
      await harness.clock.advance(20_000);
      for (const delivery of await consumer.receive(2)) {
        await connection.settled(deadLetter(delivery, 'dependency-timeout', null));
      }
      const all = { all: true, subscription: 'billing' } as const;
      assert.equal(await connection.store.redrive(all), 2);
      consumer.grant(2);
      await consumer.nothing();
      await expectState(connection, 'm', 'waiting');

      await harness.clock.advance(10_000);
      await consumer.nothing();
      await connection.fulfil('customer:1');

      const again = await consumer.next(2);
      assert.deepEqual(idsOf(again).toSorted(), ['m', 'n']);
      assert.ok(again.every(({ waitTimedOut, attempt }) => !waitTimedOut && attempt === 1));
      const view = await expectState(connection, 'm', 'leased');
      if (view === null) return;
      const events = view.history.map(({ event }) => event);
      assert.ok(events.indexOf('redriven') < events.lastIndexOf('parked'), events.join());
    },
  },
  {
    id: 'redrive-in-order',
    promise: 'G8',
    title: 'dead letters of a key come back in the order they had',
    needs: {},
    async run(harness) {
      const started = await harness.start({ onDead: 'skip' });
      const ids = numbered('m', 6);
      await started.connection.publish(...messages('k', ids));
      await killAll(started.connection, started.consumer, 6);

      const some = ['m5', 'm2', 'm4'];
      assert.equal(
        await started.connection.store.redrive({ ids: some, subscription: 'billing' }),
        3,
      );

      assert.deepEqual(idsOf(await drain(started, 3)), ['m2', 'm4', 'm5']);
      const left = { subscription: null, id: null, cursor: null, limit: 10 };
      assert.deepEqual(idsOf((await started.connection.store.dead(left)).items), [
        'm1',
        'm3',
        'm6',
      ]);
    },
  },
  {
    id: 'redrive-idempotent',
    promise: 'G8',
    title: 'sending back twice, or at once from two processes, sends back once',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      const other = await harness.open();
      await started.connection.publish(...messages('k', ['a', 'b']));
      await killAll(started.connection, started.consumer, 2);
      const which = { ids: ['a', 'b', 'unknown', 'a'], subscription: null };

      const counts = await Promise.all([
        started.connection.store.redrive(which),
        other.store.redrive(which),
      ]);
      const after = await other.store.redrive(which);

      assert.deepEqual([counts[0] + counts[1], after], [2, 0]);
      assert.deepEqual(idsOf(await drain(started, 2)), ['a', 'b']);
      assert.equal(await other.store.redrive(which), 0);
      started.consumer.grant(4);
      await started.consumer.nothing();
      await expectDone(other, 'a', 'b');
    },
  },
  {
    id: 'redrive-all',
    promise: 'G8',
    title: 'a thousand dead letters are sent back together, and each key keeps its order',
    needs: {},
    async run(harness) {
      const started = await harness.start({ onDead: 'skip' });
      const ids = numbered('m', 1_000);
      const drafts = ids.map((id, index) => ({ id, key: `k${index % 13}` }));
      await started.connection.publish(...drafts);
      await killAll(started.connection, started.consumer, 1_000);

      const all = { all: true, subscription: 'billing' } as const;
      assert.equal(await started.connection.store.redrive(all), 1_000);
      assert.equal(await started.connection.store.redrive(all), 0);

      const received = await drain(started, 1_000);
      assert.ok(received.every(({ attempt }) => attempt === 1));
      for (const [key, came] of Object.entries(idsByKey(received))) {
        assert.deepEqual(came, idsOf(drafts.filter((draft) => draft.key === key)), key);
      }
    },
  },
  {
    id: 'redrive-one-subscription',
    promise: 'G8',
    title: 'sending back for one subscription leaves the dead letters of others where they are',
    needs: {},
    async run(harness) {
      const connection = await harness.open();
      await connection.subscribe({ name: 'billing' }, { name: 'mailing' });
      const billing = connection.consume('billing');
      const mailing = connection.consume('mailing');
      await connection.publish({ id: 'm', key: 'k' });
      await connection.settled(deadLetter(await billing.one()), deadLetter(await mailing.one()));

      assert.equal(await connection.store.redrive({ ids: ['m'], subscription: 'mailing' }), 1);

      assert.equal((await mailing.one()).id, 'm');
      billing.grant(1);
      await billing.nothing();
      assert.equal(await connection.store.redrive({ all: true, subscription: 'billing' }), 1);
      assert.equal((await billing.next(1))[0]?.id, 'm');
    },
  },
  {
    id: 'redrive-opens-blocked-key',
    promise: 'G8',
    title: 'a blocked key opens when its dead message is sent back, and that one comes first',
    needs: {},
    async run(harness) {
      const started = await harness.start({ onDead: 'block' });
      const { connection, consumer } = started;
      await connection.publish(...messages('k', ['a', 'b']));
      await connection.settled(deadLetter(await consumer.one()));
      await connection.publish(...messages('k', ['c']));
      consumer.grant(1);
      await consumer.nothing();

      assert.equal(await connection.store.redrive({ ids: ['a'], subscription: null }), 1);

      const received = await drain(started, 3, 1);
      assert.deepEqual(idsOf(received), ['a', 'b', 'c']);
      assert.deepEqual((await connection.view()).blockedKeys, []);
    },
  },
  {
    id: 'redrive-opens-diverted-key',
    promise: 'G8',
    title: 'a diverted key goes back whole and in order, and later messages go behind it',
    needs: {},
    async run(harness) {
      const started = await harness.start({ onDead: 'divert' });
      const { connection, consumer } = started;
      await connection.publish(...messages('k', ['a', 'b']));
      await connection.settled(deadLetter(await consumer.one()));
      await connection.publish(...messages('k', ['c']));
      await harness.quiet();

      assert.ok((await connection.store.redrive({ ids: ['a'], subscription: null })) >= 1);
      await connection.publish(...messages('k', ['d']));

      assert.deepEqual(idsOf(await drain(started, 4)), ['a', 'b', 'c', 'd']);
      const left = { subscription: null, id: null, cursor: null, limit: 10 };
      assert.deepEqual((await connection.store.dead(left)).items, []);
    },
  },
  {
    id: 'redrive-cut-short',
    promise: 'G8',
    title: 'a redrive that a crash cuts short loses nothing of its key, and repeating it is safe',
    needs: {},
    seeded: true,
    async run(harness) {
      const first = await harness.start({ onDead: 'divert' });
      const ids = numbered('m', 500);
      await first.connection.publish(...messages('k', ids));
      await first.connection.settled(deadLetter(await first.consumer.one()));
      await harness.quiet();
      const all = { all: true, subscription: 'billing' } as const;
      const redriving = first.connection.store.redrive(all).catch(() => 0);
      await settleTurns(Math.floor(harness.random() * 10));
      await harness.crash(first.connection);
      await redriving;

      const second = await harness.start({ onDead: 'divert' });
      await second.connection.store.redrive(all);

      assert.deepEqual([...(await drainUntil(second, ids.length))], ids);
    },
  },
  {
    id: 'redrive-dies-again',
    promise: 'G8',
    title:
      'a message that dies again after it was sent back is one dead letter, with its new reason',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      await connection.publish({ id: 'm', key: 'k' });
      const first = { name: 'Refused', message: 'the first time', stack: 'at a (a.ts:1:2)' };
      await connection.settled(deadLetter(await consumer.one(), 'gave-up', first));
      await connection.store.redrive({ ids: ['m'], subscription: null });
      const again = { name: 'Refused', message: 'again' };
      await connection.settled(deadLetter(await consumer.one(), 'timed-out', again));

      const query = { subscription: null, id: 'm', cursor: null, limit: 10 };
      const { items } = await connection.store.dead(query);

      assert.deepEqual(
        items.map(({ reason, attempts, firstFailure }) => [reason, attempts, firstFailure]),
        [['timed-out', 1, again]],
      );
    },
  },
  {
    id: 'cancel-blocked-head',
    promise: 'G8',
    title: 'cancelling the dead message that blocks a key removes it and lets the key go on',
    needs: { lookup: true },
    async run(harness) {
      const started = await harness.start({ onDead: 'block' });
      const { connection, consumer } = started;
      await connection.publish(...messages('k', ['a', 'b', 'c']));
      await connection.settled(deadLetter(await consumer.one()));

      assert.equal(await connection.store.cancel('a'), 'cancelled');

      assert.deepEqual(idsOf(await drain(started, 2)), ['b', 'c']);
      assert.deepEqual((await connection.view()).blockedKeys, []);
      assert.equal(await connection.store.redrive({ ids: ['a'], subscription: null }), 0);
      const view = await viewOf(connection, 'a');
      if (view !== undefined) await expectState(connection, 'a', 'cancelled');
    },
  },
];

/** Acks until so many different messages came. Answers them in the order of their first coming. */
async function drainUntil(
  { connection, consumer }: Started,
  count: number,
): Promise<ReadonlySet<string>> {
  const came = new Set<string>();
  consumer.grant(count);
  while (came.size < count) {
    const batch = [...(await consumer.next(1)), ...consumer.pending()];
    await connection.settled(...batch.map((delivery) => ack(delivery)));
    const again = batch.filter(({ id }) => came.has(id));
    for (const { id } of batch) came.add(id);
    consumer.grant(again.length);
  }
  return came;
}

/** What was out behind a dead one of its key comes again. */
async function killAll(connection: Connection, consumer: Consumer, count: number): Promise<void> {
  consumer.grant(count);
  for (let killed = 0; killed < count; ) {
    const batch = [...(await consumer.next(1)), ...consumer.pending()];
    const outcomes = await connection.settle(...batch.map((delivery) => deadLetter(delivery)));
    const dead = outcomes.filter((outcome) => outcome === 'settled').length;
    consumer.grant(batch.length - dead);
    killed += dead;
  }
}
