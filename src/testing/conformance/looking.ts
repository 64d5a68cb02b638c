/** G16: what can be seen of messages and subscriptions, and done about them by hand. */

import assert from 'node:assert/strict';
import type { SubscriptionStats } from '../../transport/store.ts';
import type { ConformanceCase } from './case.ts';
import { drain, expectDone, expectState, untilWaiting, viewOf } from './flow.ts';
import type { Connection, Harness, Started } from './harness.ts';
import { ack, deadLetter, idsOf, messages, numbered, retry } from './settlements.ts';

export const looking: readonly ConformanceCase[] = [
  {
    id: 'get-every-state',
    promise: 'G16',
    title: 'a message can be found by its id in whatever state it is',
    needs: { lookup: true },
    async run(harness) {
      const { connection } = await inEveryState(harness);

      for (const state of states) {
        const view = await expectState(connection, `is ${state}`, state);
        assert.deepEqual(
          [view?.topic, view?.subscription, view?.key],
          ['order.placed', 'billing', `key of ${state}`],
        );
      }
      assert.equal((await viewOf(connection, 'is dead'))?.reason, 'gave-up');
      assert.deepEqual((await viewOf(connection, 'is waiting'))?.waitingFor, ['customer:1']);
      assert.deepEqual(await connection.store.get('unknown'), []);
    },
  },
  {
    id: 'get-kept',
    promise: 'G16',
    title: 'a message that no subscription was there for can be found, and cancelled',
    needs: { lookup: true },
    async run(harness) {
      const connection = await harness.open();
      await connection.publish(...messages('k', ['a', 'b']));

      const view = await viewOf(connection, 'a');
      assert.deepEqual([view?.id, view?.subscription], ['a', null]);
      assert.equal(await connection.store.cancel('a'), 'cancelled');

      const started = await harness.start();
      assert.deepEqual(idsOf(await drain(started, 1)), ['b']);
      started.consumer.grant(1);
      await started.consumer.nothing();
    },
  },
  {
    id: 'get-history',
    promise: 'G16',
    title: 'what happened to a message beyond the ordinary is kept, oldest first',
    needs: { lookup: true },
    async run(harness) {
      const first = await harness.start();
      await first.connection.publish({ id: 'm', key: 'k' });
      await first.connection.settled(retry(await first.consumer.one(), 0));
      await first.consumer.one();
      await harness.crash(first.connection);
      const connection = await harness.open();
      await connection.settled(deadLetter(await connection.consume().one()));

      const view = await expectState(connection, 'm', 'dead');
      assert.ok(view);
      const { history, attempts } = view;

      assert.equal(attempts, 3);
      assert.deepEqual(
        history.map(({ event }) => event),
        ['retried', 'crashed', 'died'],
      );
      const times = history.map(({ at }) => at);
      assert.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
      );
    },
  },
  {
    id: 'cancel-every-state',
    promise: 'G16',
    title: 'a message that is not at work can be cancelled, and is then never delivered again',
    needs: { lookup: true },
    async run(harness) {
      const started = await inEveryState(harness);
      const { connection, consumer } = started;

      for (const state of states) {
        const expected = state === 'leased' ? 'leased' : 'cancelled';
        assert.equal(await connection.store.cancel(`is ${state}`), expected, state);
      }
      assert.equal(await connection.store.cancel('unknown'), 'not-found');

      await connection.fulfil('customer:1');
      assert.equal(await connection.store.redrive({ all: true, subscription: 'billing' }), 0);
      await harness.clock.advance(130_000);
      consumer.grant(10);
      await consumer.nothing();
      await connection.settled(ack(started.leased));
      await expectDone(connection, 'is leased');
    },
  },
  {
    id: 'cancel-frees-key',
    promise: 'G16',
    title: 'when the message that holds its key is cancelled, those behind it go on',
    needs: { lookup: true },
    async run(harness) {
      const { connection, consumer } = await harness.start();
      await connection.publish(...messages('retries', ['r1', 'r2', 'r3']));
      await connection.settled(retry(await consumer.one(), 90_000));
      await connection.publish(
        { id: 'w1', key: 'waits', facts: ['customer:1'] },
        { id: 'w2', key: 'waits' },
      );
      consumer.grant(1);
      await consumer.nothing();

      for (const id of ['r2', 'r1', 'w1']) {
        assert.equal(await connection.store.cancel(id), 'cancelled', id);
      }

      const received = await drain({ connection, consumer }, 2, 1);
      assert.deepEqual(idsOf(received).toSorted(), ['r3', 'w2']);
    },
  },
  {
    id: 'cancel-races-delivery',
    promise: 'G16',
    title: 'a cancel and a delivery at the same moment agree: cancelled, or at work, never both',
    needs: { lookup: true },
    async run(harness) {
      const { connection, consumer } = await harness.start();
      const other = await harness.open();
      const ids = numbered('m', 20);
      await connection.publish(...messages(null, ids.slice(0, 10)));
      await connection.publish(...ids.slice(10).map((id) => ({ id, key: id })));

      consumer.grant(20);
      const outcomes = await Promise.all(ids.map((id) => other.store.cancel(id)));
      await harness.quiet();

      const came = idsOf(consumer.received);
      const leased = ids.filter((_, index) => outcomes[index] === 'leased');
      assert.deepEqual(came.toSorted(), leased.toSorted());
      assert.ok(outcomes.every((outcome) => outcome !== 'not-found'));
    },
  },
  {
    id: 'cancel-one-subscription',
    promise: 'G16',
    title: 'a message that is cancelled in one subscription stays in the others',
    needs: { lookup: true },
    async run(harness) {
      const connection = await harness.open();
      await connection.subscribe({ name: 'billing' }, { name: 'mailing' });
      const { store } = connection;
      await connection.publish(...messages('k', ['a', 'b']));
      await connection.publish({ id: 'late', key: 'k', delayMs: 60_000 });
      await connection.publish({ id: 'kept', topic: 'of nobody' });

      assert.equal(await store.cancel('a', 'billing'), 'cancelled');
      assert.equal(await store.cancel('late', 'billing'), 'cancelled');
      for (const id of ['a', 'late', 'kept']) {
        assert.equal(await store.cancel(id, 'billing'), 'not-found', id);
        assert.equal(await store.cancel(id, 'unknown'), 'not-found', id);
      }

      const billing = connection.consume('billing');
      assert.deepEqual(idsOf(await drain({ connection, consumer: billing }, 1)), ['b']);
      const mailing = connection.consume('mailing');
      assert.deepEqual(idsOf(await drain({ connection, consumer: mailing }, 2)), ['a', 'b']);
      await harness.clock.advance(60_000);
      assert.deepEqual(idsOf(await drain({ connection, consumer: mailing }, 1)), ['late']);
      billing.grant(1);
      await billing.nothing();
      await expectState(connection, 'kept', 'ready');
    },
  },
  {
    id: 'pages-of-dead',
    promise: 'G16',
    title: 'dead letters are listed page by page, without gap or repetition, also while some come',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      const ids = numbered('m', 25);
      await kill(started, ids);
      const seen: string[] = [];
      let cursor: string | null = null;

      do {
        const query = { subscription: 'billing', id: null, cursor, limit: 7 };
        const page = await started.connection.store.dead(query);
        assert.ok(page.items.length <= 7);
        seen.push(...idsOf(page.items));
        if (cursor === null) await kill(started, ['late']);
        cursor = page.next;
      } while (cursor !== null);

      assert.equal(new Set(seen).size, seen.length, 'nothing is listed twice');
      assert.deepEqual(seen.filter((id) => id !== 'late').toSorted(), ids.toSorted());
    },
  },
  {
    id: 'pages-of-waiting',
    promise: 'G16',
    title: 'waiting messages are listed page by page, all of them or those of one fact',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      const ids = numbered('m', 23);
      const drafts = ids.map((id, index) => ({
        id,
        key: index % 2 === 0 ? id : null,
        facts: [`customer:${index % 3}`, `account:${index}`],
      }));
      await connection.publish(...drafts);
      consumer.grant(1);
      await consumer.nothing();
      await untilWaiting(connection, ids.length);

      for (const fact of [null, 'customer:1']) {
        const seen: string[] = [];
        let cursor: string | null = null;
        do {
          const query = { subscription: null, fact, cursor, limit: 5 };
          const page = await connection.store.waiting(query);
          assert.ok(page.items.length <= 5);
          seen.push(...idsOf(page.items));
          cursor = page.next;
        } while (cursor !== null);
        const expected = drafts.filter((draft) => fact === null || draft.facts.includes(fact));
        assert.deepEqual(seen.toSorted(), idsOf(expected).toSorted());
      }
    },
  },
  {
    id: 'stats-every-state',
    promise: 'G16',
    title: 'the figures of a subscription say how many of its messages are in which state',
    needs: { lookup: true, counts: 'exact' },
    async run(harness) {
      const { connection } = await inEveryState(harness);
      await connection.publish({ id: 'behind', key: 'key of waiting' });

      const expected: Omit<SubscriptionStats, 'oldestAt'> = {
        depth: 6,
        scheduled: 1,
        ready: 2,
        leased: 1,
        retrying: 1,
        waiting: 1,
        dead: 1,
        done: 1,
        cancelled: 0,
      };
      assert.deepEqual(await figures(connection), expected);
      await connection.store.cancel('is ready');
      await connection.store.cancel('is dead');

      assert.deepEqual(await figures(connection), {
        ...expected,
        depth: 5,
        ready: 1,
        dead: 0,
        cancelled: 2,
      });
    },
  },
  {
    id: 'stats-oldest',
    promise: 'G16',
    title: 'a subscription says when the first message that it still has to deliver was accepted',
    needs: { counts: 'exact' },
    async run(harness) {
      const { connection, consumer } = await harness.start({ onDead: 'block' });
      const oldest = async (): Promise<number | null> => (await connection.view()).stats.oldestAt;
      assert.equal(await oldest(), null, 'of none');
      const begun = harness.clock.now();
      await connection.publish({ id: 'later', delayMs: 120_000 });
      assert.equal(await oldest(), null, 'of a scheduled one');

      await connection.publish({ id: 'a', key: 'k' });
      const first = await oldest();
      assert.ok(first !== null && Math.abs(first - begun) < 1_000, `${first}, not ${begun}`);
      await harness.clock.advance(1_000);
      await connection.publish({ id: 'b', key: 'k' }, { id: 'c', facts: ['customer:1'] });
      assert.equal(await oldest(), first, 'while it is leased no less than before');
      await connection.settled(ack(await consumer.one()));
      const second = await oldest();
      assert.ok(second !== null && second >= first + 1_000, `${second} after ${first}`);

      await connection.settled(deadLetter(await consumer.one()));
      await connection.fulfil('customer:1');
      await connection.settled(ack(await consumer.one()));
      assert.equal(await oldest(), null, 'with a dead head, which waits for nobody');
    },
  },
];

async function figures(connection: Connection): Promise<Omit<SubscriptionStats, 'oldestAt'>> {
  const { oldestAt: _, ...counts } = (await connection.view()).stats;
  return counts;
}

const states = ['scheduled', 'ready', 'leased', 'retrying', 'waiting', 'dead'] as const;

/** One message in every state, each with an id and a key that say which, and one that is done. */
async function inEveryState(
  harness: Harness,
): Promise<Started & { readonly leased: Parameters<typeof ack>[0] }> {
  const started = await harness.start();
  const { connection, consumer } = started;
  const named = (state: string): { id: string; key: string } => ({
    id: `is ${state}`,
    key: `key of ${state}`,
  });
  await connection.publish({ id: 'is done' });
  await connection.settled(ack(await consumer.one()));
  await connection.publish(named('retrying'));
  await connection.settled(retry(await consumer.one(), 120_000));
  await connection.publish(named('dead'));
  await connection.settled(deadLetter(await consumer.one()));
  await connection.publish(named('leased'));
  const leased = await consumer.one();
  await connection.publish({ ...named('waiting'), facts: ['customer:1'] });
  consumer.grant(1);
  await harness.quiet();
  consumer.stop();
  await connection.publish({ ...named('scheduled'), delayMs: 120_000 }, named('ready'));
  // The first consumption still had a message to ask for, and would have taken the ready one.
  return { connection, consumer: connection.consume(), leased };
}

async function kill({ connection, consumer }: Started, ids: readonly string[]): Promise<void> {
  await connection.publish(...messages(null, ids));
  for (const delivery of await consumer.receive(ids.length)) {
    await connection.settled(deadLetter(delivery));
  }
}
