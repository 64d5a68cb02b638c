/**
 * G7: a message that kills its process is found, and the messages beside it are not held guilty.
 *
 * A case plays the runtime: it "dies" whenever the poison is among what is out, as a process does
 * that runs several handlers at once.
 */

import assert from 'node:assert/strict';
import type { Delivery, Suspicion } from '../../transport/transport.ts';
import type { ConformanceCase } from './case.ts';
import type { Connection, Consumer, Harness } from './harness.ts';
import { drain } from './flow.ts';
import { ack, idsOf, messages, numbered } from './settlements.ts';

export const poison: readonly ConformanceCase[] = [
  {
    id: 'crash-alone-is-guilty',
    promise: 'G7',
    title: 'a message that was the only one out when its process died is known as that at once',
    needs: { lease: 'timed' },
    otherwise: 'the engine says that a message was out before, not what was out beside it',
    async run(harness) {
      for (const key of ['k', null]) {
        const { connection, consumer } = await harness.start();
        await connection.publish({ id: `m of ${key}`, key });
        assert.equal((await consumer.one()).suspicion, 'none');
        await harness.crash(connection);

        const other = await harness.open();
        const again = await other.consume().one();

        assert.deepEqual([again.attempt, again.suspicion], [2, 'alone']);
        await other.settled(ack(again));
        await other.close();
      }
    },
  },
  {
    id: 'crash-alone-is-found-out',
    promise: 'G7',
    title: 'a message with which process after process dies is known as guilty by the fourth',
    needs: {},
    async run(harness) {
      for (const key of ['k', null]) {
        let { connection, consumer } = await harness.start();
        await connection.publish({ id: `m of ${key}`, key });
        const seen: Suspicion[] = [];
        for (let attempt = 1; attempt <= 4; attempt++) {
          const delivery = await consumer.one();
          assert.equal(delivery.attempt, attempt);
          seen.push(delivery.suspicion);
          if (attempt === 4) await connection.settled(ack(delivery));
          if (attempt === 4) await connection.close();
          else {
            await harness.crash(connection);
            connection = await harness.open();
            consumer = connection.consume();
          }
        }

        assert.equal(seen[0], 'none');
        assert.ok(!seen.slice(1).includes('none'), seen.join(', '));
        assert.equal(seen[3], 'alone');
      }
    },
  },
  {
    id: 'crash-beside-is-not',
    promise: 'G7',
    title: 'a message that was out beside others when their process died is a suspect, not guilty',
    needs: {},
    async run(harness) {
      const dying = await harness.start();
      await dying.connection.publish(...messages(null, ['a', 'b']), ...messages('k', ['c']));
      await dying.connection.publish(...messages('other', ['d']));
      await dying.consumer.receive(4);
      await harness.crash(dying.connection);

      const connection = await harness.open();
      const again = await connection.consume().receive(4);

      assert.deepEqual(idsOf(again).toSorted(), ['a', 'b', 'c', 'd']);
      assert.ok(again.every(({ attempt, suspicion }) => attempt === 2 && suspicion === 'beside'));
      assert.equal(
        new Set(again.map(({ lease }) => lease.id)).size,
        4,
        'each in a lease of its own',
      );
    },
  },
  {
    id: 'crash-spares-what-was-done',
    promise: 'G7',
    title: 'what was acknowledged, given back or never delivered is no suspect of a later crash',
    needs: {},
    async run(harness) {
      const { connection: dying, consumer } = await harness.start();
      await dying.publish(...messages(null, ['done', 'back', 'guilty']));
      const batch = await consumer.receive(3);
      const of = (id: string): Delivery => batch.find((one) => one.id === id) as Delivery;
      await dying.settled(ack(of('done')), {
        kind: 'release',
        delivery: of('back'),
        afterMs: 60_000,
      });
      await dying.publish({ id: 'fresh' });
      await harness.crash(dying);

      const connection = await harness.open();
      await harness.clock.advance(60_000);
      const again = await drain({ connection, consumer: connection.consume() }, 3);

      const seen = again.map(({ id, attempt, suspicion }) =>
        suspicion === 'none' ? `${id} ${attempt}` : `${id} ${attempt} suspect`,
      );
      assert.deepEqual(seen.toSorted(), ['back 1', 'fresh 1', 'guilty 2 suspect']);
    },
  },
  {
    id: 'crash-head-of-lane',
    promise: 'G7',
    title: 'when a process dies with several messages of a key, the first comes again, by itself',
    needs: {},
    async run(harness) {
      const dying = await harness.start();
      await dying.connection.publish(...messages('k', numbered('m', 5)));
      dying.consumer.grant(5);
      await dying.consumer.next(1);
      await harness.crash(dying.connection);

      const connection = await harness.open();
      const consumer = connection.consume();
      consumer.grant(20);
      const [head] = await consumer.next(1);
      await consumer.nothing();

      assert.ok(head);
      assert.deepEqual([head.id, head.attempt], ['m1', 2]);
      assert.notEqual(head.suspicion, 'none');
      await connection.settled(ack(head));
      const rest = await drain({ connection, consumer }, 4);
      assert.deepEqual(idsOf(rest), ['m2', 'm3', 'm4', 'm5']);
    },
  },
  {
    id: 'suspects-within-slots',
    promise: 'G7',
    title: 'no more suspects are out together than handlers may run at once',
    needs: {},
    async run(harness) {
      const dying = await harness.start({ slots: 8 });
      await dying.connection.publish(...messages(null, numbered('m', 8)));
      await dying.consumer.receive(8);
      await harness.crash(dying.connection);

      const connection = await harness.open();
      const consumer = connection.consume('billing', { slots: 3 });
      consumer.grant(20);
      let done = 0;
      while (done < 8) {
        const [first] = await consumer.next(1);
        await harness.quiet();
        const out = [first as Delivery, ...consumer.pending()];
        assert.ok(out.length <= 3, `${out.length} suspects are out for 3 slots`);
        await connection.settled(...out.map((delivery) => ack(delivery)));
        done += out.length;
      }
    },
  },
  {
    id: 'suspects-lone-trial',
    promise: 'G7',
    title: 'a suspect of two crashes is tried alone in its process: nothing else is out beside it',
    needs: {},
    async run(harness) {
      const ids = numbered('m', 3);
      const first = await harness.start({ slots: 4 });
      await first.connection.publish(...messages(null, ids));
      await first.consumer.receive(3);
      await harness.crash(first.connection);
      const second = await harness.open();
      await second.consume('billing', { slots: 4 }).receive(3);
      await harness.crash(second);

      const connection = await harness.open();
      const tried = await tryAll(harness, { billing: connection, mailing: connection });

      assert.deepEqual(idsOf(tried).toSorted(), ids);
    },
  },
  {
    id: 'crash-alone-in-process',
    promise: 'G7',
    title: 'a message was not alone when another connection of its process held one',
    needs: { processes: 'many', lease: 'timed' },
    async run(harness) {
      const { connection, consumer } = await harness.start();
      const beside = await harness.open({ beside: connection });
      await connection.publish(...messages(null, ['a', 'b']));
      await consumer.one();
      await beside.consume().one();
      await harness.crash(connection, beside);

      const other = await harness.open();
      const again = await other.consume().receive(2);

      assert.deepEqual(idsOf(again).toSorted(), ['a', 'b']);
      const seen = again.map(({ attempt, suspicion }) => `${attempt} ${suspicion}`);
      assert.deepEqual(seen, ['2 beside', '2 beside']);
    },
  },
  {
    id: 'suspects-lone-trial-in-process',
    promise: 'G7',
    title: 'nothing is out on another connection of its process either while it is tried alone',
    needs: { processes: 'many', lease: 'timed' },
    async run(harness) {
      const ids = numbered('m', 3);
      const { connection, consumer } = await harness.start({ slots: 4 });
      await connection.publish(...messages(null, ids));
      await consumer.receive(3);
      await harness.crash(connection);
      const second = await harness.open();
      await second.consume('billing', { slots: 4 }).receive(3);
      await harness.crash(second);

      const billing = await harness.open();
      const mailing = await harness.open({ beside: billing });
      const tried = await tryAll(harness, { billing, mailing });

      assert.deepEqual(idsOf(tried).toSorted(), ids);
    },
  },
  {
    id: 'poison-is-found',
    promise: 'G7',
    title: 'a message that kills its process ends up as the only suspect, those beside it do not',
    needs: {},
    async run(harness) {
      const publisher = await harness.open();
      await publisher.subscribe();
      const innocents = numbered('m', 6);
      await publisher.publish(...messages(null, [...innocents, 'poison']));

      const life = await liveWith(harness, 'poison', 7);

      assert.equal(life.verdict, 'alone');
      assert.deepEqual(life.done.toSorted(), innocents.toSorted());
      assert.deepEqual(life.accused, []);
      assert.ok(life.crashes <= 5, `it took ${life.crashes} crashes`);
    },
  },
  {
    id: 'poison-in-a-lane',
    promise: 'G7',
    title: 'a poisonous message of a key is found, and the messages of other keys are not accused',
    needs: {},
    async run(harness) {
      const publisher = await harness.open();
      await publisher.subscribe();
      await publisher.publish(...messages('k', ['poison']), ...messages('a', ['a1', 'a2']));
      await publisher.publish(...messages('b', ['b1']), ...messages(null, ['n1', 'n2']));

      const life = await liveWith(harness, 'poison', 6);

      assert.equal(life.verdict, 'alone');
      assert.deepEqual(life.done.toSorted(), ['a1', 'a2', 'b1', 'n1', 'n2']);
      assert.deepEqual(life.accused, []);
      assert.ok(life.crashes <= 5, `it took ${life.crashes} crashes`);
    },
  },
];

function mails(count: number): { id: string; topic: string }[] {
  return numbered('mail', count).map((id) => ({ id, topic: 'mail.sent' }));
}

/**
 * Publishes more for two subscriptions and works off everything, one ack at a time; a lone trial
 * has to be one. Answers the tried.
 */
async function tryAll(
  harness: Harness,
  { billing, mailing }: { readonly billing: Connection; readonly mailing: Connection },
): Promise<readonly Delivery[]> {
  await mailing.subscribe({ name: 'mailing', topics: ['mail.sent'] });
  await billing.publish(...messages(null, numbered('n', 4)), ...messages('k', ['k1', 'k2']));
  await mailing.publish(...mails(5));
  const consumers = [
    mailing.consume('mailing', { slots: 4 }),
    billing.consume('billing', { slots: 4 }),
  ] as const;
  const tried: Delivery[] = [];
  const out: Delivery[] = [];
  for (const consumer of consumers) consumer.grant(50);
  for (let idle = 0; idle < 2; ) {
    await harness.quiet();
    out.push(...consumers.flatMap((consumer) => consumer.pending()));
    const lone = out.find(({ attempt }) => attempt >= 3);
    if (lone !== undefined) {
      assert.deepEqual(idsOf(out), [lone.id], `${lone.id} should be the only one out`);
      tried.push(lone);
    }
    const next = out.shift();
    if (next === undefined) idle += 1;
    else await (next.subscription === 'mailing' ? mailing : billing).settled(ack(next));
  }
  return tried;
}

interface Life {
  readonly done: string[];
  /** Innocents that were called `alone` although others were out when their process died. */
  readonly accused: string[];
  verdict: string;
  crashes: number;
}

/** One process after the other, each dead once the poison is out, until the poison is known. */
async function liveWith(harness: Harness, poisonId: string, total: number): Promise<Life> {
  const life: Life = { done: [], accused: [], verdict: 'none', crashes: 0 };
  const trulyAlone = new Set<string>();
  while (life.done.length < total && life.crashes < 12) {
    const connection = await harness.open();
    const consumer = connection.consume('billing', { slots: 4 });
    let out: Delivery[] = [];
    consumer.grant(4);
    while (!out.some(({ id }) => id === poisonId)) {
      await connection.settled(...out.map((delivery) => ack(delivery)));
      life.done.push(...idsOf(out));
      if (life.done.length === total) return life;
      consumer.grant(out.length);
      out = [...(await consumer.next(1)), ...consumer.pending()];
      for (const { id, suspicion } of out) {
        if (suspicion !== 'alone' || id === poisonId) continue;
        if (!trulyAlone.has(id)) life.accused.push(id);
      }
    }
    life.verdict = out.find(({ id }) => id === poisonId)?.suspicion ?? 'none';
    if (life.verdict === 'alone') {
      await connection.settled(...out.map((delivery) => ack(delivery)));
      life.done.push(...idsOf(out).filter((id) => id !== poisonId));
      total -= 1;
      await drainRest(connection, consumer, { life, total });
      return life;
    }
    if (out.length === 1) for (const { id } of out) trulyAlone.add(id);
    await harness.crash(connection);
    life.crashes += 1;
  }
  return life;
}

async function drainRest(
  connection: Connection,
  consumer: Consumer,
  { life, total }: { readonly life: Life; readonly total: number },
): Promise<void> {
  const rest = await drain({ connection, consumer }, total - life.done.length);
  life.done.push(...idsOf(rest));
}
