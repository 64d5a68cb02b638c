/** G4: functions in the engine's transactions, and receipts that make an effect happen once. */

import assert from 'node:assert/strict';
import type { Arrival, Effect, EffectOutcome, Work } from '../../transport/effects.ts';
import type { Delivery } from '../../transport/transport.ts';
import type { ConformanceCase } from './case.ts';
import { drain } from './flow.ts';
import type { Connection } from './harness.ts';
import { type Draft, idsOf, messages, outgoing, retry, usualTopic } from './settlements.ts';

const needs = { transactions: true };
const minuteMs = 60_000;
const done = { kind: 'done' };

function receipt(given: Partial<Arrival> = {}): Arrival {
  const { subscription = 'ledger', topic = usualTopic, id = 'm' } = given;
  return { subscription, topic, id, token: 1, repeated: false, keepMs: minuteMs, ...given };
}

function publishing(...drafts: readonly Draft[]): () => Work {
  return () => ({ publish: drafts.map(outgoing), opens: [] });
}

function effect(given: Partial<Effect<never>>): Effect<never> {
  return { receipt: null, delivery: null, work: publishing(), ...given };
}

/** The effect of a delivery, with its ack and its receipt. */
function effectOf(delivery: Delivery, work: () => Work): Effect<never> {
  const { subscription, topic, id, lease } = delivery;
  return effect({
    receipt: receipt({ subscription, topic, id, token: lease.token }),
    delivery,
    work,
  });
}

function run(connection: Connection, ...effects: Effect<never>[]): Promise<EffectOutcome[]> {
  return Promise.all(effects.map((one) => connection.effects.run(one)));
}

export const effects: readonly ConformanceCase[] = [
  {
    id: 'effect-with-ack',
    promise: 'G4',
    title: 'an ack, its receipt, the facts it opens and what it publishes are there together',
    needs,
    async run(harness) {
      const { connection, consumer } = await harness.start();
      const facts = ['customer:1'];
      await connection.publish({ id: 'waiting', key: 'w', facts }, { id: 'a', key: 'k' });
      const delivery = await consumer.one();

      const work = (): Work => ({ publish: [outgoing({ id: 'b', key: 'k' })], opens: facts });
      assert.deepEqual(await run(connection, effectOf(delivery, work)), [done]);

      const { subscription, topic } = delivery;
      const known = await connection.effects.recall([receipt({ subscription, topic, id: 'a' })]);
      assert.deepEqual(known, [{ opens: facts }]);
      const rest = await drain({ connection, consumer }, 2);
      assert.deepEqual(idsOf(rest).toSorted(), ['b', 'waiting']);
      assert.equal((await connection.view()).stats.done, 3);
    },
  },
  {
    id: 'effect-once',
    promise: 'G4',
    title: 'of effects with the same receipt one is stored, in whichever process',
    needs: { ...needs, processes: 'many' },
    async run(harness) {
      const started = await harness.start();
      const other = await harness.open();
      const first = effect({ receipt: receipt(), work: publishing({ id: 'first' }) });
      const second = effect({ receipt: receipt(), work: publishing({ id: 'second' }) });

      assert.deepEqual(await run(started.connection, first, first), [
        done,
        { kind: 'known', opens: [] },
      ]);
      assert.deepEqual(await run(other, second), [{ kind: 'known', opens: [] }]);

      assert.deepEqual(idsOf(await drain(started, 1)), ['first']);
      await started.consumer.nothing();
    },
  },
  {
    id: 'effect-fails-alone',
    promise: 'G4',
    title: 'a function that throws leaves nothing behind, and those beside it their effect',
    needs,
    async run(harness) {
      const { connection, consumer } = await harness.start();
      await connection.publish({ id: 'a' }, { id: 'b' });
      const [a, b] = await consumer.receive(2);
      const error = new Error('no');
      const outcomes = await run(
        connection,
        effectOf(a!, publishing({ id: 'of a' })),
        effectOf(b!, () => {
          throw error;
        }),
        effect({ receipt: receipt(), work: publishing({ id: 'of c' }) }),
      );

      assert.deepEqual(outcomes, [done, { kind: 'failed', error }, done]);
      const { subscription, topic } = b!;
      const known = await connection.effects.recall([receipt({ subscription, topic, id: 'b' })]);
      assert.deepEqual(known, [null]);
      await connection.settled(retry(b!, 0));
      const rest = await drain({ connection, consumer }, 3);
      assert.deepEqual(idsOf(rest).toSorted(), ['b', 'of a', 'of c']);
    },
  },
  {
    id: 'effect-full',
    promise: 'G11',
    title:
      'an effect that publishes to a full subscription did not happen; its lease is still held',
    needs,
    async run(harness) {
      const { connection, consumer } = await harness.start({ maxDepth: 2 });
      await connection.publish(...messages('k', ['a', 'b']));
      const [a] = await consumer.receive(1);
      const two = publishing({ id: 'c', key: 'k' }, { id: 'd', key: 'k' });
      const loose = effect({ receipt: receipt(), work: publishing({ id: 'e', key: 'k' }) });

      assert.deepEqual(await run(connection, effectOf(a!, two), loose), [
        { kind: 'full' },
        { kind: 'full' },
      ]);
      assert.deepEqual(await connection.effects.recall([receipt()]), [null]);

      const one = publishing({ id: 'c', key: 'k' });
      assert.deepEqual(await run(connection, effectOf(a!, one)), [done]);
      assert.deepEqual(idsOf(await drain({ connection, consumer }, 2)), ['b', 'c']);
    },
  },
  {
    id: 'effect-lease-lost',
    promise: 'G4',
    title: 'a delivery whose lease is lost has no effect',
    needs: { ...needs, fencing: true, processes: 'many', lease: 'timed' },
    async run(harness) {
      const frozen = await harness.start();
      await frozen.connection.publish({ id: 'a', key: 'k' });
      const lost = await frozen.consumer.one();
      frozen.connection.freeze();
      const other = await harness.open();
      const consumer = other.consume();
      await harness.clock.advance(harness.leaseMs + 1_000);
      const taken = await consumer.one();
      frozen.connection.thaw();

      const late = effectOf(lost, publishing({ id: 'of the frozen' }));
      assert.deepEqual(await run(frozen.connection, late), [{ kind: 'fenced' }]);
      assert.deepEqual(await run(other, effectOf(taken, publishing({ id: 'b' }))), [done]);
      assert.deepEqual(idsOf(await drain({ connection: other, consumer }, 1)), ['b']);
    },
  },
  {
    id: 'effect-announced',
    promise: 'G4',
    title: 'of a delivery from elsewhere an earlier one has no effect once a later was announced',
    needs,
    async run(harness) {
      const { connection } = await harness.start();
      const later = receipt({ token: 7, repeated: true });
      const known = await connection.effects.recall([later, receipt({ token: 5, repeated: true })]);
      assert.deepEqual(known, [null, null]);

      const early = effect({ receipt: receipt({ token: 6 }), work: publishing({ id: 'early' }) });
      assert.deepEqual(await run(connection, early), [{ kind: 'fenced' }]);
      assert.deepEqual(await run(connection, effect({ receipt: later })), [done]);
      assert.equal((await connection.view()).stats.depth, 0);
    },
  },
  {
    id: 'effect-recalled',
    promise: 'G4',
    title: 'a message is known within its subscription and topic, with what it opened',
    needs,
    async run(harness) {
      const { connection } = await harness.start();
      const work = (): Work => ({ publish: [], opens: ['customer:1', 'customer:2'] });
      assert.deepEqual(await run(connection, effect({ receipt: receipt(), work })), [done]);

      const known = await connection.effects.recall([
        receipt(),
        receipt({ subscription: 'crm' }),
        receipt({ topic: 'order.cancelled' }),
        receipt({ id: 'other' }),
        receipt({ repeated: true }),
      ]);
      const it = { opens: ['customer:1', 'customer:2'] };
      assert.deepEqual(known[0], it);
      assert.deepEqual(known.slice(1), [null, null, null, it]);
    },
  },
  {
    id: 'effect-forgotten',
    promise: 'G4',
    title: 'a receipt is kept as long as asked for, and no longer',
    needs,
    async run(harness) {
      const { connection } = await harness.start();
      const one = effect({ receipt: receipt(), work: publishing({ id: 'a' }) });
      assert.deepEqual(await run(connection, one), [done]);

      await harness.clock.advance(minuteMs - 2_000);
      assert.deepEqual(await run(connection, one), [{ kind: 'known', opens: [] }]);
      await harness.clock.advance(4_000);

      assert.deepEqual(await connection.effects.recall([receipt()]), [null]);
      assert.deepEqual(await run(connection, one), [done]);
      assert.equal((await connection.view()).stats.ready, 2);
    },
  },
];
