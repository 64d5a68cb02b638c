/** G8: messages that could not be processed: kept whole, looked at, and what their key does. */

import assert from 'node:assert/strict';
import type { DeadLetter } from '../../transport/store.ts';
import type { Delivery } from '../../transport/transport.ts';
import type { ConformanceCase } from './case.ts';
import type { Connection } from './harness.ts';
import { drain, expectState, plain } from './flow.ts';
import { ack, deadLetter, idsOf, messages, retry } from './settlements.ts';

export const deadLetters: readonly ConformanceCase[] = [
  {
    id: 'dead-record',
    promise: 'G8',
    title:
      'a dead letter keeps body, headers, reason, attempts, and its first and last failure whole',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      const body = Uint8Array.from({ length: 256 }, (_, index) => 255 - index);
      const acceptedAt = harness.clock.now();
      await connection.publish({ id: 'm', key: 'k', body, headers: '{"a":"ç"}' });
      await harness.clock.advance(400);
      const cause = { name: 'Error', message: 'reset', code: 'ECONNRESET', stack: 'at b (ü.ts:2)' };
      const first = { name: 'Declined', message: 'first', stack: 'at a (a.ts:1:2)\nat b', cause };
      for (const failure of [first, { name: 'Declined', message: 'second', code: 'NOT_IT' }]) {
        await connection.settled(retry(await consumer.one(), 0, failure));
      }
      await harness.clock.advance(300);
      const last = { name: 'Refused', message: 'the third', code: 'EREFUSED' };
      const delivery = await consumer.one();
      const diedAt = harness.clock.now();
      await connection.settled(deadLetter(delivery, 'attempts-exhausted', last));

      const [letter] = await deadOf(connection);

      assert.deepEqual(letter && { ...letter, body: plain(letter.body) }, {
        id: 'm',
        topic: 'order.placed',
        subscription: 'billing',
        key: 'k',
        reason: 'attempts-exhausted',
        attempts: 3,
        acceptedAt,
        diedAt,
        firstFailure: first,
        lastFailure: last,
        body,
        headers: '{"a":"ç"}',
      });
    },
  },
  {
    id: 'dead-without-failure',
    promise: 'G8',
    title: 'a message may die without a failure of its own, and says the reason all the same',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      await connection.publish({ id: 'm', body: 'ünïcode 🧨 \u0000' });
      await connection.settled(deadLetter(await consumer.one(), 'by-hand', null));

      const [letter] = await deadOf(connection);

      assert.deepEqual(
        [letter?.reason, letter?.firstFailure, letter?.lastFailure, letter?.body, letter?.attempts],
        ['by-hand', null, null, 'ünïcode 🧨 \u0000', 1],
      );
    },
  },
  {
    id: 'dead-survives-restart',
    promise: 'G8',
    title: 'dead letters outlive the processes, and are not delivered again by themselves',
    needs: {},
    async run(harness) {
      const first = await harness.start();
      await first.connection.publish(...messages('k', ['m']), ...messages(null, ['n']));
      const both = await first.consumer.receive(2);
      await first.connection.settled(...both.map((delivery) => deadLetter(delivery)));
      await harness.crash(first.connection);

      const connection = await harness.open();
      const consumer = connection.consume();
      consumer.grant(5);
      await consumer.nothing();

      assert.deepEqual(idsOf(await deadOf(connection)).toSorted(), ['m', 'n']);
      await expectState(connection, 'm', 'dead');
    },
  },
  {
    id: 'dead-skip',
    promise: 'G8',
    title: 'where dead messages are skipped, the key goes on with the next one',
    needs: {},
    async run(harness) {
      const started = await harness.start({ onDead: 'skip' });
      await started.connection.publish(...messages('k', ['a', 'b', 'c']));
      await started.connection.settled(deadLetter(await started.consumer.one()));

      assert.deepEqual(idsOf(await drain(started, 2)), ['b', 'c']);
    },
  },
  {
    id: 'dead-skip-ends-lease',
    promise: 'G5',
    title: 'what was out behind a message that dies comes again, in order, its attempt unspent',
    needs: {},
    async run(harness) {
      const started = await harness.start({ onDead: 'skip' });
      const { connection, consumer } = started;
      await connection.publish(...messages('k', ['a', 'b', 'c']));
      const [head, ...behind] = await consumer.upTo(3);
      assert.ok(head);

      const outcomes = await connection.settle(deadLetter(head), ...behind.map((one) => ack(one)));

      assert.deepEqual(outcomes, ['settled', ...Array(behind.length).fill('lease-lost')]);
      const again = await drain(started, 2, 3 - consumer.received.length);
      assert.deepEqual(idsOf(again), ['b', 'c']);
      assert.ok(again.every(({ attempt, suspicion }) => attempt === 1 && suspicion === 'none'));
      assert.deepEqual(idsOf(await deadOf(connection)), ['a']);
    },
  },
  {
    id: 'dead-after-change',
    promise: 'G5',
    title:
      'what becomes of the dead may change while a key is at work: nothing is stuck in a lease',
    needs: {},
    async run(harness) {
      const started = await harness.start({ onDead: 'skip' });
      const { connection, consumer } = started;
      await connection.publish(...messages('k', ['a', 'b', 'c']));
      const first = await consumer.upTo(3);
      await connection.subscribe({ onDead: 'block' });
      await expectEnds(connection, first);
      assert.deepEqual((await connection.view()).blockedKeys, ['k']);
      await connection.store.redrive({ ids: ['a'], subscription: null });

      const second = await consumer.upTo(3);
      await connection.subscribe({ onDead: 'skip' });
      await expectEnds(connection, second);

      assert.deepEqual(idsOf(await drain(started, 2)), ['b', 'c']);
    },
  },
  {
    id: 'dead-unbegun',
    promise: 'G8',
    title: 'a message that died before its handler was called shows no attempt',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start({ waitingDeadlineMs: 20_000 });
      const facts = ['customer:1'];
      await connection.publish({ id: 'm', key: 'k', facts }, { id: 'n', facts });
      await harness.clock.advance(20_000);
      for (const delivery of await consumer.receive(2)) {
        const death = deadLetter(delivery, 'dependency-timeout', null);
        await connection.settled({ ...death, attempts: 0 });
      }

      const letters = await deadOf(connection);
      assert.deepEqual(
        new Map(letters.map(({ id, attempts, lastFailure }) => [id, [attempts, lastFailure]])),
        new Map([
          ['m', [0, null]],
          ['n', [0, null]],
        ]),
      );
      const view = await expectState(connection, 'm', 'dead');
      if (view === null) return;
      const { event, attempt } = view.history.at(-1)!;
      assert.deepEqual([view.attempts, event, attempt], [0, 'died', 0]);
    },
  },
  {
    id: 'dead-block',
    promise: 'G8',
    title: 'where a dead message blocks, its key stands still and is shown; others go on',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start({ onDead: 'block' });
      await connection.publish(...messages('k', ['a', 'b']), ...messages(null, ['n']));
      for (const delivery of await consumer.receive(2)) {
        const dies = delivery.id === 'a' || delivery.id === 'n';
        await connection.settle(dies ? deadLetter(delivery) : ack(delivery));
      }
      await connection.publish(...messages('k', ['c']), ...messages('l', ['x']));

      const others = consumer.received.some(({ id }) => id === 'n') ? ['x'] : ['n', 'x'];
      const came = await consumer.receive(others.length);
      assert.deepEqual(idsOf(came).toSorted(), others);
      consumer.grant(3);
      await consumer.nothing();

      assert.deepEqual((await connection.view()).blockedKeys, ['k']);
      await expectState(connection, 'b', 'ready');
      await expectState(connection, 'c', 'ready');
    },
  },
  {
    id: 'dead-block-ends-lease',
    promise: 'G5',
    title: 'behind a message that blocks its key, nothing that was out already can still be done',
    needs: {},
    async run(harness) {
      const started = await harness.start({ onDead: 'block' });
      const { connection } = started;
      await connection.publish(...messages('k', ['a', 'b', 'c']));
      const [head, ...behind] = await started.consumer.upTo(3);
      assert.ok(head);

      await connection.settled(deadLetter(head));
      const late = await connection.settle(...behind.map((delivery) => ack(delivery)));

      assert.deepEqual(late, Array(behind.length).fill('lease-lost'));
      await connection.store.redrive({ ids: ['a'], subscription: null });
      const credit = 3 - started.consumer.received.length;
      assert.deepEqual(idsOf(await drain(started, 3, credit)), ['a', 'b', 'c']);
    },
  },
  {
    id: 'dead-block-survives-restart',
    promise: 'G8',
    title: 'a blocked key stays blocked when the process that blocked it is gone',
    needs: {},
    async run(harness) {
      const first = await harness.start({ onDead: 'block' });
      await first.connection.publish(...messages('k', ['a', 'b']));
      await first.connection.settled(deadLetter(await first.consumer.one()));
      await harness.crash(first.connection);

      const connection = await harness.open();
      const consumer = connection.consume();
      consumer.grant(3);
      await consumer.nothing();

      assert.deepEqual((await connection.view()).blockedKeys, ['k']);
      assert.deepEqual(idsOf(await deadOf(connection)), ['a']);
    },
  },
  {
    id: 'dead-divert',
    promise: 'G8',
    title:
      'where a dead message diverts, later ones of its key follow it to the dead letters, in order',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start({ onDead: 'divert' });
      await connection.publish(...messages('k', ['a', 'b', 'c']), ...messages('l', ['x']));
      const [a] = (await consumer.receive(2)).filter(({ id }) => id === 'a');
      assert.ok(a);
      await connection.settled(deadLetter(a, 'gave-up'));
      await connection.publish(...messages('k', ['d']));
      consumer.grant(3);
      await harness.quiet();

      assert.ok(consumer.received.every(({ id }) => id === 'a' || id === 'x'));
      const letters = await deadOf(connection);
      assert.deepEqual(
        letters.map(({ id, reason }) => [id, reason]),
        [
          ['a', 'gave-up'],
          ['b', 'diverted'],
          ['c', 'diverted'],
          ['d', 'diverted'],
        ],
      );
    },
  },
  {
    id: 'dead-without-key',
    promise: 'G8',
    title: 'a message without a key dies alone, whatever the subscription does with keys',
    needs: {},
    async run(harness) {
      for (const onDead of ['block', 'divert'] as const) {
        const name = `on ${onDead}`;
        const { connection, consumer } = await harness.start({ name, topics: [name], onDead });
        const topic = name;
        await connection.publish({ id: `a${onDead}`, topic }, { id: `b${onDead}`, topic });
        const dying = await consumer.one();
        await connection.settled(deadLetter(dying));

        const other = await consumer.one();

        assert.notEqual(other.id, dying.id);
        await connection.settled(ack(other));
        assert.deepEqual((await connection.view(name)).blockedKeys, []);
      }
    },
  },
  {
    id: 'dead-per-subscription',
    promise: 'G8',
    title: 'a message that died in one subscription is still delivered in the others',
    needs: {},
    async run(harness) {
      const connection = await harness.open();
      await connection.subscribe({ name: 'billing' }, { name: 'mailing' });
      await connection.publish({ id: 'm', key: 'k' });
      await connection.settled(deadLetter(await connection.consume('billing').one()));

      const mailed = await connection.consume('mailing').one();

      assert.equal(mailed.id, 'm');
      if (!connection.capabilities.lookup) return;
      const views = await connection.store.get('m');
      const states = views.map(({ subscription, state }) => `${subscription} ${state}`);
      assert.deepEqual(states.toSorted(), ['billing dead', 'mailing leased']);
    },
  },
];

async function deadOf(connection: Connection): Promise<readonly DeadLetter[]> {
  const query = { subscription: 'billing', id: null, cursor: null, limit: 100 };
  return (await connection.store.dead(query)).items;
}

/** The first of a key dies: what was out behind it is not out any more. */
async function expectEnds(
  connection: Connection,
  [head, ...behind]: readonly Delivery[],
): Promise<void> {
  assert.equal(head?.id, 'a');
  await connection.settled(deadLetter(head));
  const late = await connection.settle(...behind.map((delivery) => ack(delivery)));
  assert.deepEqual(late, Array(behind.length).fill('lease-lost'));
}
