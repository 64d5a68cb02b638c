/**
 * G14: a fact and the message that waits for it, in every order and all at once, with a crash
 * between each two steps. Whatever happens: the message comes once more, and is then done for good.
 */

import assert from 'node:assert/strict';
import type { Delivery } from '../../transport/transport.ts';
import type { ConformanceCase } from './case.ts';
import type { Connection, Consumer, Harness } from './harness.ts';
import { advanceTo, expectDone } from './flow.ts';
import { ack, idsOf, park } from './settlements.ts';

export const waitingRaces: readonly ConformanceCase[] = [
  {
    id: 'fact-race-publish',
    promise: 'G14',
    title: 'publish, fact and consumer in any order, or all at once: the message is delivered once',
    needs: {},
    async run(harness) {
      for (const atOnce of [false, true]) {
        for (const order of permutations(['publish', 'mark', 'consume'])) {
          await racePublish(harness, order, atOnce);
        }
      }
    },
  },
  {
    id: 'fact-race-park',
    promise: 'G14',
    title: 'a fact before, after or at the same moment as the park releases the parked message',
    needs: {},
    async run(harness) {
      for (const key of ['k', null]) {
        for (const by of ['same', 'other']) {
          for (const order of [
            ...permutations(['park', 'mark']),
            ...permutations(['PARK', 'MARK']),
          ]) {
            await racePark(harness, { key, by, order });
          }
        }
      }
    },
  },
  {
    id: 'fact-race-ack',
    promise: 'G14',
    title: 'a fact that an acknowledgement opens while its waiter is parked releases the waiter',
    needs: {},
    async run(harness) {
      for (const order of permutations(['park', 'ack'])) {
        for (const together of [false, true]) await raceAck(harness, { order, together });
      }
    },
  },
  {
    id: 'fact-race-crash',
    promise: 'G14',
    title: 'a crash between any two steps of waiting loses neither the fact nor the message',
    needs: {},
    async run(harness) {
      const steps = ['publish', 'deliver', 'park'];
      for (let marked = 0; marked <= steps.length; marked++) {
        const order = [...steps.slice(0, marked), 'mark', ...steps.slice(marked)];
        for (let crashed = 1; crashed <= order.length; crashed++) {
          await raceCrash(harness, order, crashed);
        }
      }
    },
  },
  {
    id: 'fact-race-crash-midway',
    promise: 'G14',
    title:
      'a process that dies in the middle of a park or a fact leaves no message waiting for ever',
    needs: {},
    async run(harness) {
      for (const order of permutations(['park', 'mark'])) await raceAbandon(harness, order);
    },
  },
  {
    id: 'fact-race-several',
    promise: 'G14',
    title: 'several facts that come at once release the message that needs all of them, once',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      const others = [connection, await harness.open(), await harness.open()];
      consumer.grant(20);
      for (let round = 1; round <= 10; round++) {
        const facts = [1, 2, 3].map((part) => `part${part}:${round}`);
        const steps = facts.map((fact, index) => () => others[index]!.fulfil(fact));
        const publish = (): Promise<void> =>
          connection.publish({ id: `m${round}`, key: `k${round}`, facts });
        steps.splice(round % 4, 0, publish);
        await Promise.all(steps.map((step) => step()));

        const [delivery] = await consumer.next(1);

        assert.equal(delivery?.id, `m${round}`);
        await connection.settled(ack(delivery));
        await consumer.nothing();
      }
    },
  },
  {
    id: 'fact-race-deadline',
    promise: 'G14',
    title: 'a fact that comes at the very deadline, and the deadline, release the message once',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start({ waitingDeadlineMs: 20_000 });
      consumer.grant(40);
      for (const offsetMs of [-1, 0, 1]) {
        for (const markFirst of [true, false]) await raceDeadline(harness, { offsetMs, markFirst });
      }

      await consumer.nothing();
      assert.equal(consumer.received.length, 6);

      async function raceDeadline(
        { clock }: Harness,
        { offsetMs, markFirst }: { offsetMs: number; markFirst: boolean },
      ): Promise<void> {
        const id = `m${offsetMs}${markFirst}`;
        const fact = `fact:${id}`;
        await connection.publish({ id, key: id, facts: [fact] });
        await advanceTo(clock, clock.now() + 20_000 + offsetMs - 1);
        const moves = [() => connection.fulfil(fact), () => clock.advance(1)];
        if (!markFirst) moves.reverse();
        await Promise.all(moves.map((move) => move()));
        const [delivery] = await consumer.next(1);
        assert.equal(delivery?.id, id);
        await connection.settled(ack(delivery));
        await expectDone(connection, id);
      }
    },
  },
];

async function racePublish(
  harness: Harness,
  order: readonly string[],
  atOnce: boolean,
): Promise<void> {
  const name = [...order, String(atOnce)].join('-');
  const fact = `fact:${name}`;
  const connection = await harness.open();
  await connection.subscribe({ name, topics: [name] });
  let consumer: Consumer | undefined;
  const steps: Record<string, () => Promise<unknown> | void> = {
    publish: () => connection.publish({ id: name, key: 'k', topic: name, facts: [fact] }),
    mark: () => connection.fulfil(fact),
    consume: () => {
      consumer = connection.consume(name);
      consumer.grant(5);
    },
  };

  await take(steps, order, atOnce);

  assert.ok(consumer);
  await finish(connection, consumer, name);
  await connection.close();
}

/** Lower case: one step after the other. Upper case: both begun before either has ended. */
async function racePark(
  harness: Harness,
  { key, by, order }: { key: string | null; by: string; order: readonly string[] },
): Promise<void> {
  const name = [key ?? 'none', by, ...order].join('-');
  const fact = `fact:${name}`;
  const { connection, consumer } = await harness.start({ name, topics: [name] });
  const marker = by === 'same' ? connection : await harness.open();
  await connection.publish({ id: name, key, topic: name });
  const delivery = await consumer.one();
  const answers: string[] = [];
  const parking = async (): Promise<void> => {
    answers.push(...(await connection.settle(park(delivery, fact))));
  };
  const steps = { park: parking, mark: () => marker.fulfil(fact) };

  const lower = order.map((step) => step.toLowerCase());
  await take(steps, lower, order[0] !== lower[0]);

  if (order[0] === 'mark') assert.deepEqual(answers, ['not-parked']);
  if (order[0] === 'park') assert.deepEqual(answers, ['settled']);
  consumer.grant(5);
  const again = await finish(connection, consumer, name);
  assert.equal(again.attempt, 1, 'waiting spends no attempt');
  await connection.close();
}

async function raceAck(
  harness: Harness,
  { order, together }: { order: readonly string[]; together: boolean },
): Promise<void> {
  const name = [...order, String(together)].join('-');
  const fact = `fact:${name}`;
  const { connection, consumer } = await harness.start({ name, topics: [name] });
  await connection.publish({ id: 'opener', topic: name }, { id: name, topic: name });
  const both = await consumer.receive(2);
  const opener = both.find(({ id }) => id === 'opener');
  const waiter = both.find(({ id }) => id === name);
  assert.ok(opener && waiter);
  const settlements = order.map((step) =>
    step === 'park' ? park(waiter, fact) : ack(opener, { opens: [fact] }),
  );

  if (together) await connection.settle(...settlements);
  else await Promise.all(settlements.map((settlement) => connection.settle(settlement)));

  consumer.grant(5);
  await finish(connection, consumer, name);
  await connection.close();
}

/** Runs the steps, ends the process after `crashed` of them, and lets another one carry on. */
async function raceCrash(
  harness: Harness,
  order: readonly string[],
  crashed: number,
): Promise<void> {
  const name = [...order, crashed].join('-');
  const fact = `fact:${name}`;
  const setUp = await harness.open();
  await setUp.subscribe({ name, topics: [name] });
  await setUp.close();
  let connection = await harness.open();
  let delivery: Delivery | undefined;
  const steps: Record<string, () => Promise<unknown>> = {
    publish: () => connection.publish({ id: name, key: 'k', topic: name }),
    mark: () => connection.fulfil(fact),
    deliver: async () => void (delivery = await connection.consume(name).one()),
    park: () => connection.settle(park(delivery as Delivery, fact)),
  };
  await take(steps, order.slice(0, crashed), false);
  await harness.crash(connection);

  connection = await harness.open();
  const after = order.slice(crashed);
  await take(
    steps,
    after.filter((step) => step === 'publish' || step === 'mark'),
    false,
  );
  const consumer = connection.consume(name);
  const again = await consumer.one();
  // A handler that runs again asks again; the fact is there by now.
  assert.equal(again.waitTimedOut, false);
  assert.deepEqual(await connection.settle(park(again, fact)), ['not-parked'], name);
  consumer.grant(5);
  await finish(connection, consumer, name);
  await connection.close();
}

async function raceAbandon(harness: Harness, order: readonly string[]): Promise<void> {
  const name = order.join('-midway-');
  const fact = `fact:${name}`;
  const { connection: dying, consumer: first } = await harness.start({ name, topics: [name] });
  await dying.publish({ id: name, key: 'k', topic: name });
  const delivery = await first.one();
  const steps: Record<string, () => Promise<unknown>> = {
    park: () => dying.settle(park(delivery, fact)),
    mark: () => dying.fulfil(fact),
  };
  const answers = order.map(async (step) => steps[step]?.());
  const settled = Promise.allSettled(answers);
  await harness.crash(dying);
  await settled;

  // The fact may or may not have been stored: nobody was answered. Its source says it again.
  const connection = await harness.open();
  await connection.fulfil(fact);
  const consumer = connection.consume(name);
  consumer.grant(5);
  await finish(connection, consumer, name);
  await connection.close();
}

/** The message comes, is acknowledged, and nothing more comes. */
async function finish(connection: Connection, consumer: Consumer, id: string): Promise<Delivery> {
  const [delivery] = await consumer.next(1);
  assert.ok(delivery);
  assert.deepEqual([delivery.id, delivery.waitTimedOut], [id, false]);
  await connection.settled(ack(delivery));
  await consumer.nothing();
  await expectDone(connection, id);
  assert.deepEqual(idsOf((await connection.store.waiting(anything)).items), []);
  return delivery;
}

const anything = { subscription: null, fact: null, cursor: null, limit: 10 } as const;

async function take(
  steps: Readonly<Record<string, () => Promise<unknown> | void>>,
  order: readonly string[],
  atOnce: boolean,
): Promise<void> {
  const begun: Promise<unknown>[] = [];
  for (const step of order) {
    const taken = Promise.resolve(steps[step]?.());
    if (atOnce) begun.push(taken);
    else await taken;
  }
  await Promise.all(begun);
}

function permutations(of: readonly string[]): string[][] {
  if (of.length <= 1) return [[...of]];
  return of.flatMap((first, index) =>
    permutations(of.filter((_, other) => other !== index)).map((rest) => [first, ...rest]),
  );
}
