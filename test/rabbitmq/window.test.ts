/** What stands still does not fill the window of its partition; what is done does not shut it. */
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import type { ConformanceCase, EngineUnderTest } from 'malote/testing';
import { drain, idsByKey } from '../../src/testing/conformance/flow.ts';
import type { Harness, Started } from '../../src/testing/conformance/harness.ts';
import {
  ack,
  deadLetter,
  idsOf,
  messages,
  numbered,
  retry,
} from '../../src/testing/conformance/settlements.ts';
import { runCases } from './engine-cases.ts';
import { namespaces } from './namespace.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

const facts = ['customer:1'];

const cases: readonly ConformanceCase[] = [
  {
    id: 'window-of-waiting-keys',
    promise: 'G12',
    title: 'more keys wait than fit into the window: what comes behind them is delivered',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      const { connection } = started;
      const ids = numbered('w', 2_000);
      await connection.publish(...ids.map((id) => ({ id, key: id, facts })));
      await connection.publish(...messages('free', ['free']));

      await comes(harness, started, 1);
      assert.deepEqual(idsOf(await drain(started, 1, 1)), ['free']);
      await connection.fulfil(...facts);

      assert.deepEqual(idsOf(await drain(started, 2_000)).toSorted(), ids.toSorted());
    },
  },
  {
    id: 'window-of-one-lane',
    promise: 'G5',
    title: 'a waiting key with more messages than the window holds up nobody, and keeps its order',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      const { connection } = started;
      const ids = numbered('m', 1_500);
      await connection.publish({ id: 'head', key: 'k', facts });
      await connection.publish(...messages('k', ids));
      const others = numbered('o', 20);
      await connection.publish(...others.map((id) => ({ id, key: id })));

      await comes(harness, started, 20);
      assert.deepEqual(idsOf(await drain(started, 20, 20)).toSorted(), others.toSorted());
      await harness.crash(connection);
      const again = await harness.start();
      await again.connection.fulfil(...facts);

      assert.deepEqual(idsOf(await drain(again, 1_501)), ['head', ...ids]);
    },
  },
  {
    id: 'window-of-a-slow-lane',
    promise: 'G5',
    title:
      'a key at work with more messages than the window holds up nobody, and its death is its own',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      const { connection, consumer } = started;
      const ids = numbered('m', 1_500);
      await connection.publish(...messages('k', ids));
      assert.deepEqual(idsOf(await consumer.upTo(5)), ids.slice(0, 5));
      const others = numbered('o', 20);
      await connection.publish(...others.map((id) => ({ id, key: id })));

      await comes(harness, started, 20);
      assert.deepEqual(idsOf(await drain(started, 20, 20)).toSorted(), others.toSorted());
      await harness.crash(connection);
      const again = await harness.start();
      const received = await drain(again, 1_500);

      assert.deepEqual(idsOf(received), ids);
      const tried = received.filter(({ attempt }) => attempt > 1);
      assert.deepEqual(idsOf(tried), ids.slice(0, 1), 'only the first of them was at work');
    },
  },
  {
    id: 'window-of-a-slow-lane-settled',
    promise: 'G5',
    title: 'a key at work that has made room goes on in its order, whatever becomes of its head',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      const { connection, consumer } = started;
      const ids = numbered('m', 1_200);
      await connection.publish(...messages('k', ids));
      const [first, second] = await consumer.upTo(3);
      await connection.publish({ id: 'other', key: 'other 1' }, { id: 'more', key: 'other 2' });
      await comes(harness, started, 2);
      assert.deepEqual(idsOf(await drain(started, 2, 2)).toSorted(), ['more', 'other']);

      await connection.settled(ack(first!));
      await connection.settled(retry(second!, 500));

      const received = await drain(started, 1_199);
      assert.deepEqual(idsOf(received), ids.slice(1));
      const tried = received.filter(({ attempt }) => attempt > 1);
      assert.deepEqual(idsOf(tried), ids.slice(1, 2));
    },
  },
  {
    id: 'published-anew',
    promise: 'G1',
    title: 'what is published once more under an id that was done is another message',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      for (let round = 1; round <= 2; round++) {
        await started.connection.publish(...messages('k', ['m']));
        assert.deepEqual(idsOf(await drain(started, 1)), ['m']);
        await harness.clock.advance(700);
      }
    },
  },
  {
    id: 'dying-not-given-back',
    promise: 'G8',
    title: 'a message on its way to the dead letters is not given back when its consumer stops',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      await connection.publish({ id: 'm' });
      const dying = connection.settled(deadLetter(await consumer.one()));
      // It is buried here, and the server has not confirmed it.
      await setImmediate();
      consumer.stop();
      await dying;

      const heir = await harness.open();
      const heard = heir.consume();
      heard.grant(1);
      await heard.nothing();

      const { depth, dead } = (await heir.view()).stats;
      assert.deepEqual([depth, dead], [0, 1]);
    },
  },
  {
    id: 'handed-over-untried',
    promise: 'G8',
    title: 'what stood behind a message that died, and was never begun, is handed over as untried',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      await connection.publish(...messages('k', numbered('m', 3)));
      const [first] = await consumer.upTo(2);
      const heir = await harness.start();
      heir.consumer.grant(1);
      await harness.quiet();
      await connection.settled(deadLetter(first!));
      consumer.stop();

      const [next] = await heir.consumer.next(1);

      assert.deepEqual([next!.id, next!.attempt], ['m2', 1]);
    },
  },
];

/** Room is made as time goes on, which it does until the server has taken its part in it. */
async function comes(harness: Harness, { consumer }: Started, count: number): Promise<void> {
  const wanted = consumer.received.length + count;
  consumer.grant(count);
  while (consumer.received.length < wanted) await harness.quiet();
}

/** In a window that is full at once; `inMain` says how many messages it has not let in. */
const narrow = (inMain: () => Promise<number>): readonly ConformanceCase[] => [
  {
    id: 'window-of-a-dying-lane',
    promise: 'G8',
    title: 'what is at work while its key makes room is tried once more after its owner died of it',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      await connection.publish(...messages('k', numbered('m', 40)));
      await consumer.upTo(2);
      while ((await inMain()) > 0) await harness.quiet();
      // What left the queue last makes room too.
      await harness.quiet();
      await harness.crash(connection);

      const first = await (await harness.start()).consumer.one();

      assert.deepEqual([first.id, first.attempt], ['m1', 2]);
    },
  },
  {
    id: 'window-of-dying-lanes',
    promise: 'G5',
    title: 'owners die while keys at work make room: every message is there, in order',
    needs: {},
    seeded: true,
    async run(harness) {
      const keys = ['a', 'b', 'c'];
      const rounds = Array.from({ length: 8 }, (_, round) => round);
      const idsOfKey = (key: string, round: number): string[] => numbered(`${key}${round}-`, 15);
      let started = await harness.start();
      for (const round of rounds) {
        const { connection, consumer } = started;
        await connection.publish(...keys.flatMap((key) => messages(key, idsOfKey(key, round))));
        await consumer.upTo(4);
        // Some of what makes room is on its way by then.
        await harness.clock.advance(900 + Math.floor(harness.random() * 300));
        await harness.crash(connection);
        started = await harness.start();
      }

      const count = keys.length * rounds.length * 15;
      const received = idsByKey(await drain(started, count));

      const all = keys.map((key) => [key, rounds.flatMap((round) => idsOfKey(key, round))]);
      assert.deepEqual(received, Object.fromEntries(all));
    },
  },
];

overRabbitmq((server) => {
  const all = namespaces(server);
  const realMs = 8_000;
  runCases({ engine: all.engine, cases, realMs });
  const limits = { window: 8 };
  const engine = (): EngineUnderTest => all.engine({}, limits);
  const narrowed = narrow(() => all.ready('q.billing/p0', 'q.billing/p1'));
  runCases({ engine, cases: narrowed, seeds: [1, 2], realMs });
});
