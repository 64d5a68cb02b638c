/** G7: attempts: what spends one, what does not, and when the next one comes. */

import assert from 'node:assert/strict';
import type { ConformanceCase } from './case.ts';
import { advanceTo, drain, expectState } from './flow.ts';
import { ack, idsOf, messages, park, release, retry } from './settlements.ts';

export const retries: readonly ConformanceCase[] = [
  {
    id: 'retry-counts',
    promise: 'G7',
    title: 'every failure spends one attempt, and the delivery says which one it is',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      await connection.publish(...messages('k', ['m']), ...messages(null, ['n']));

      for (let attempt = 1; attempt <= 5; attempt++) {
        const both = await consumer.receive(2);
        assert.deepEqual(idsOf(both).toSorted(), ['m', 'n']);
        assert.deepEqual(
          both.map((delivery) => delivery.attempt),
          [attempt, attempt],
        );
        await connection.settled(...both.map((delivery) => retry(delivery, 0)));
      }
    },
  },
  {
    id: 'retry-not-early',
    promise: 'G7',
    title: 'a retry is never delivered before its time, and within a second after it',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      await connection.publish(...messages('k', ['m']), ...messages(null, ['n']));
      for (const delivery of await consumer.receive(2)) {
        await connection.settled(retry(delivery, 30_000));
      }
      const dueAt = harness.clock.now() + 30_000;
      consumer.grant(2);

      await advanceTo(harness.clock, dueAt - 1);
      assert.deepEqual(consumer.pending(), []);
      const view = await expectState(connection, 'm', 'retrying');
      if (view !== null) assert.deepEqual([view.attempts, view.readyAt], [1, dueAt]);
      await harness.clock.advance(1_001);

      assert.deepEqual(idsOf(await consumer.next(2)).toSorted(), ['m', 'n']);
    },
  },
  {
    id: 'retry-survives-restart',
    promise: 'G7',
    title: 'a retry that is due keeps its time and its attempt when all processes have gone',
    needs: {},
    async run(harness) {
      const first = await harness.start();
      await first.connection.publish(...messages('k', ['m']), ...messages(null, ['n']));
      const both = await first.consumer.receive(2);
      await first.connection.settled(...both.map((delivery) => retry(delivery, 60_000)));
      const dueAt = harness.clock.now() + 60_000;
      await harness.crash(first.connection);

      const connection = await harness.open();
      const consumer = connection.consume();
      consumer.grant(2);
      await advanceTo(harness.clock, dueAt - 1);
      assert.deepEqual(consumer.pending(), []);
      const again = await consumer.next(2);

      assert.deepEqual(
        again.map(({ attempt, suspicion }) => [attempt, suspicion]),
        [
          [2, 'none'],
          [2, 'none'],
        ],
      );
    },
  },
  {
    id: 'release-gives-attempt-back',
    promise: 'G7',
    title: 'a message that is given back unprocessed has spent no attempt',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      await connection.publish(...messages('k', ['m']), ...messages(null, ['n']));
      for (const delivery of await consumer.receive(2)) {
        await connection.settled(retry(delivery, 0));
      }

      for (let round = 0; round < 4; round++) {
        const both = await consumer.receive(2);
        assert.deepEqual(
          both.map(({ attempt }) => attempt),
          [2, 2],
        );
        await connection.settled(...both.map((delivery) => release(delivery)));
      }
    },
  },
  {
    id: 'release-not-early',
    promise: 'G7',
    title: 'a message given back for later is not delivered before then',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      await connection.publish(...messages('k', ['m']), ...messages(null, ['n']));
      const both = await consumer.receive(2);
      await connection.settled(...both.map((delivery) => release(delivery, 45_000)));
      const dueAt = harness.clock.now() + 45_000;
      consumer.grant(2);

      await advanceTo(harness.clock, dueAt - 1);
      assert.deepEqual(consumer.pending(), []);
      const again = await consumer.next(2);

      assert.ok(harness.clock.now() >= dueAt);
      assert.deepEqual(
        again.map(({ attempt }) => attempt),
        [1, 1],
      );
    },
  },
  {
    id: 'park-spends-no-attempt',
    promise: 'G7',
    title: 'waiting for a fact spends no attempt',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      await connection.publish(...messages('k', ['m']), ...messages(null, ['n']));
      for (const delivery of await consumer.receive(2)) {
        await connection.settled(park(delivery, `customer:${delivery.id}`));
      }
      await connection.fulfil('customer:m', 'customer:n');

      const again = await consumer.receive(2);

      assert.deepEqual(
        again.map(({ attempt }) => attempt),
        [1, 1],
      );
      await connection.settled(...again.map((delivery) => ack(delivery)));
    },
  },
  {
    id: 'crash-spends-attempt',
    promise: 'G7',
    title: 'the death of a process spends an attempt of the message it was at work on',
    needs: {},
    async run(harness) {
      let { connection, consumer } = await harness.start();
      await connection.publish(...messages('k', ['m']));
      const attempts: number[] = [];

      for (let round = 0; round < 3; round++) {
        attempts.push((await consumer.one()).attempt);
        await harness.crash(connection);
        connection = await harness.open();
        consumer = connection.consume();
      }
      const delivery = await consumer.one();
      await connection.settled(retry(delivery, 0));
      const last = await consumer.one();

      assert.deepEqual([...attempts, delivery.attempt, last.attempt], [1, 2, 3, 4, 5]);
    },
  },
  {
    id: 'close-spends-none',
    promise: 'G10',
    title: 'an orderly end gives back what is unfinished, in place, with no attempt spent',
    needs: {},
    async run(harness) {
      const first = await harness.start();
      await first.connection.publish(...messages('k', ['a', 'b', 'c']), ...messages(null, ['n']));
      const batch = await first.consumer.upTo(4);
      const head = batch.find(({ id }) => id === 'a');
      assert.ok(head);
      await first.connection.settled(ack(head));
      await first.connection.close();

      const connection = await harness.open();
      const again = await drain({ connection, consumer: connection.consume() }, 3);

      assert.deepEqual(idsOf(again.filter(({ key }) => key === 'k')), ['b', 'c']);
      assert.ok(again.every(({ attempt, suspicion }) => attempt === 1 && suspicion === 'none'));
    },
  },
  {
    id: 'close-settles-always',
    promise: 'G10',
    title: 'closing twice, and closing while publishes are under way, both come to an end',
    needs: {},
    async run(harness) {
      const first = await harness.start();
      const offers = ['a', 'b', 'c'].map((id) => first.connection.offer({ id, key: 'k' }));
      const answers = Promise.allSettled(offers);
      await Promise.all([first.connection.close(), first.connection.close()]);
      const stored = (await answers).filter(
        (one) => one.status === 'fulfilled' && one.value[0]?.kind === 'stored',
      ).length;

      const connection = await harness.open();
      const consumer = connection.consume();
      consumer.grant(5);
      const came = stored === 0 ? [] : [...(await consumer.next(stored)), ...consumer.pending()];

      assert.deepEqual(idsOf(came), ['a', 'b', 'c'].slice(0, came.length));
    },
  },
];
