/** G16: with its journal on `all`, an engine tells the life of a message after it is done. */

import assert from 'node:assert/strict';
import type { MessageState, MessageView } from '../../transport/store.ts';
import type { ConformanceCase } from './case.ts';
import { expectDone, expectState, viewOf } from './flow.ts';
import type { Connection } from './harness.ts';
import { ack, deadLetter, messages, numbered, park, release, retry } from './settlements.ts';

const keepDoneMs = 60_000;

export const lives: readonly ConformanceCase[] = [
  {
    id: 'life-ordinary',
    promise: 'G16',
    title: 'with the journal on all, a done message is shown with the times of its life',
    needs: { lookup: true },
    async run(harness) {
      const { connection, consumer } = await harness.start({ keepDoneMs });
      await connection.publish(
        { id: 'loose' },
        { id: 'keyed', key: 'k' },
        { id: 'next', key: 'k' },
        { id: 'single', key: 's' },
      );
      await harness.clock.advance(1_000);
      for (let left = 4; left > 0; ) {
        const deliveries = await consumer.upTo(left);
        await harness.clock.advance(1_000);
        await connection.settled(...deliveries.map((delivery) => ack(delivery)));
        left -= deliveries.length;
      }

      for (const [id, key] of [
        ['loose', null],
        ['keyed', 'k'],
        ['next', 'k'],
        ['single', 's'],
      ] as const) {
        const view = await lifeOf(connection, id);
        assert.deepEqual([view.state, view.attempts, view.key], ['done', 1, key], id);
        assert.deepEqual(eventsOf(view), ['delivered 1', 'acked 1'], id);
        const [delivered, acked] = view.history.map(({ at }) => at);
        assert.ok(delivered! - view.acceptedAt >= 1_000, `${id} was delivered after a second`);
        assert.ok(acked! - delivered! >= 1_000, `${id} was acked a second later`);
      }
    },
  },
  {
    id: 'life-eventful',
    promise: 'G16',
    title:
      'with the journal on all, whatever befell a message is told in order, also when it is done',
    needs: { lookup: true },
    async run(harness) {
      const { connection, consumer } = await harness.start({ keepDoneMs });
      for (const key of ['k', null]) {
        const id = `key ${key}`;
        const fact = `customer:${key}`;
        await connection.publish({ id, key, facts: [fact] });
        // Partitions look at a message once somebody asks for it.
        consumer.grant(1);
        await consumer.nothing();
        await connection.fulfil(fact);
        const [first] = await consumer.next(1);
        await connection.settled(retry(first!, 0));
        await connection.settled(release(await consumer.one()));
        await connection.settled(park(await consumer.one(), `account:${key}`));
        await connection.fulfil(`account:${key}`);
        await connection.settled(deadLetter(await consumer.one()));
        assert.equal(await connection.store.redrive({ ids: [id], subscription: null }), 1);
        await connection.settled(ack(await consumer.one()));

        const view = await lifeOf(connection, id);
        assert.deepEqual([view.state, view.attempts, view.key], ['done', 1, key]);
        assert.deepEqual(eventsOf(view), [
          'parked 1',
          'woken 1',
          'delivered 1',
          'retried 1',
          'delivered 2',
          'released 2',
          'delivered 2',
          'parked 2',
          'woken 2',
          'delivered 2',
          'died 2',
          'redriven 2',
          'delivered 1',
          'acked 1',
        ]);
        const times = view.history.map(({ at }) => at);
        assert.ok(times.every((at, index) => index === 0 || at >= times[index - 1]!));
      }
    },
  },
  {
    id: 'life-cancelled',
    promise: 'G16',
    title: 'with the journal on all, a cancelled message is shown with the life it had',
    needs: { lookup: true },
    async run(harness) {
      const { connection, consumer } = await harness.start({ keepDoneMs });
      await connection.publish(...messages(null, ['retried', 'dead']));
      for (const delivery of await consumer.receive(2)) {
        const isDead = delivery.id === 'dead';
        await connection.settled(isDead ? deadLetter(delivery) : retry(delivery, 120_000));
      }
      await connection.publish({ id: 'scheduled', key: 'k', delayMs: 120_000 });

      const expected = {
        retried: ['delivered 1', 'retried 1', 'cancelled 1'],
        dead: ['delivered 1', 'died 1', 'cancelled 1'],
        scheduled: ['cancelled 0'],
      };
      for (const [id, events] of Object.entries(expected)) {
        assert.equal(await connection.store.cancel(id), 'cancelled');
        const view = await lifeOf(connection, id);
        assert.deepEqual([view.state, eventsOf(view)], ['cancelled', events], id);
      }
    },
  },
  {
    id: 'life-crashed',
    promise: 'G16',
    title: 'with the journal on all, the life of a message outlasts the process that crashed on it',
    needs: { lookup: true },
    async run(harness) {
      const first = await harness.start({ keepDoneMs });
      await first.connection.publish({ id: 'm', key: 'k' });
      await first.consumer.one();
      await harness.crash(first.connection);
      const connection = await harness.open({ keepDoneMs });
      await connection.settled(ack(await connection.consume().one()));

      const view = await lifeOf(connection, 'm');
      assert.deepEqual([view.state, view.attempts], ['done', 2]);
      assert.deepEqual(eventsOf(view), ['crashed 1', 'delivered 2', 'acked 2']);
    },
  },
  {
    id: 'life-ends',
    promise: 'G16',
    title: 'a done message is shown for as long as the journal is told to keep it, and no longer',
    needs: { lookup: true },
    async run(harness) {
      const { connection, consumer } = await harness.start({ keepDoneMs });
      const ids = numbered('m', 12);
      await connection.publish(...messages(null, ids.slice(0, 6)), ...messages('k', ids.slice(6)));
      for (let left = ids.length; left > 0; ) {
        const deliveries = await consumer.upTo(left);
        await connection.settled(...deliveries.map((delivery) => ack(delivery)));
        left -= deliveries.length;
      }
      await harness.clock.advance(keepDoneMs / 2);
      for (const id of ids) assert.equal((await lifeOf(connection, id)).state, 'done', id);

      await harness.clock.advance(keepDoneMs);
      for (const id of ids) assert.deepEqual(await connection.store.get(id), [], id);
    },
  },
  {
    id: 'life-attempts',
    promise: 'G16',
    title: 'a done message is shown with the attempts it took, or with none told',
    needs: { lookup: true, dedupe: true },
    async run(harness) {
      for (const options of [{ keepDoneMs }, {}, { journal: 'off' as const }]) {
        const { connection, consumer } = await harness.start(options);
        const id = `m ${JSON.stringify(options)}`;
        await connection.publish({ id, key: id, dedupe: [id] });
        await connection.settled(retry(await consumer.one(), 0));
        await connection.settled(retry(await consumer.one(), 0));
        await connection.settled(ack(await consumer.one()));

        const views = await connection.store.get(id);
        const told = views.map(({ state, attempts }) => [state, attempts]);
        if ('keepDoneMs' in options) assert.deepEqual(told, [['done', 3]]);
        for (const [state, attempts] of told) {
          assert.equal(state, 'done', id);
          assert.ok(attempts === 3 || attempts === null, `${id}: ${attempts} attempts`);
        }
        await connection.close();
      }
    },
  },
  {
    id: 'life-untold',
    promise: 'G16',
    title: 'with the journal off, a message is shown as it stands, and nothing of its history',
    needs: { lookup: true },
    async run(harness) {
      const journal = 'off';
      const first = await harness.start({ journal });
      const expect = async (connection: Connection, state: MessageState): Promise<void> => {
        const view = await expectState(connection, 'm', state);
        assert.deepEqual(view?.history, [], state);
      };
      await first.connection.publish({ id: 'm', key: 'k' });
      await first.connection.settled(release(await first.consumer.one()));
      await first.connection.settled(retry(await first.consumer.one(), 1));
      await harness.clock.advance(1_000);
      await first.consumer.one();
      await harness.crash(first.connection);

      const connection = await harness.open({ journal });
      const consumer = connection.consume();
      const again = await consumer.one();
      await expect(connection, 'leased');
      await connection.settled(park(again, 'customer:1'));
      await expect(connection, 'waiting');
      await connection.fulfil('customer:1');
      const last = await consumer.one();
      assert.equal(last.attempt, 3, 'attempts are counted all the same');
      await connection.settled(deadLetter(last));
      await expect(connection, 'dead');
      assert.equal(await connection.store.redrive({ all: true, subscription: 'billing' }), 1);
      await expect(connection, 'ready');
      await connection.settled(ack(await consumer.one()));
      await expectDone(connection, 'm');
    },
  },
];

async function lifeOf(connection: Connection, id: string): Promise<MessageView> {
  const view = await viewOf(connection, id);
  assert.ok(view, `${id} should still be known`);
  return view;
}

function eventsOf({ history }: MessageView): string[] {
  return history.map(({ event, attempt }) => `${event} ${attempt}`);
}
