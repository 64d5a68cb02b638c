/** G8: dead letters sent back by what they are, and not by their ids. */

import assert from 'node:assert/strict';
import type { DeadFilter } from '../../transport/dead-filter.ts';
import type { DeadReason, Failure } from '../../transport/transport.ts';
import type { ConformanceCase } from './case.ts';
import { drain } from './flow.ts';
import type { Connection, Harness, Started } from './harness.ts';
import { deadLetter, idsOf, messages, numbered } from './settlements.ts';

export const selectiveRedrives: readonly ConformanceCase[] = [
  {
    id: 'redrive-selected',
    promise: 'G8',
    title:
      'dead letters are sent back by type, reason, failure, key and time of death, and no others',
    needs: {},
    async run(harness) {
      const started = await withDeaths(harness);
      const since = started.diedAt[2]!;

      for (const [only, ids] of [
        [{ topics: ['order.paid'], key: 'k' }, ['d3']],
        [{ reasons: ['crashed'] }, ['d4']],
        [{ failure: 'Refused' }, ['d1']],
        [{ key: 'l', until: since }, ['d2']],
        [{ topics: ['order.paid', 'unknown'], since: since + 1 }, ['d6']],
        [{ key: 'unknown' }, []],
        [{}, ['d5']],
      ] satisfies [DeadFilter, string[]][]) {
        assert.equal(await redrive(started.connection, { only }), ids.length, JSON.stringify(only));
        assert.deepEqual(idsOf(await drain(started, ids.length)), ids);
        assert.equal(await redrive(started.connection, { only }), 0);
      }
      await started.consumer.nothing();
    },
  },
  {
    id: 'redrive-selected-in-order',
    promise: 'G8',
    title: 'dead letters of a key that are selected come back in the order they had',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      await started.connection.publish(...messages('k', numbered('m', 400)));
      await dieAll(started, 400, ({ id }) =>
        Number(id.slice(1)) % 2 === 0 ? named('Even') : named('Odd'),
      );

      assert.equal(await redrive(started.connection, { only: { failure: 'Even' } }), 200);

      const even = numbered('m', 400).filter((_, index) => index % 2 === 1);
      assert.deepEqual(idsOf(await drain(started, 200)), even);
      assert.equal(await redrive(started.connection, { only: { failure: 'Even' } }), 0);
    },
  },
  {
    id: 'redrive-selected-whole-key',
    promise: 'G8',
    title: 'with one dead letter of a diverted key goes the key as a whole, though others differ',
    needs: {},
    async run(harness) {
      const started = await harness.start({ onDead: 'divert' });
      const { connection } = started;
      await connection.publish(...messages('k', ['a', 'b']), ...messages('l', ['x']));
      await dieAll(started, 2, ({ id }) => named(id === 'a' ? 'Refused' : 'Closed'));
      await connection.publish(...messages('k', ['c']));
      await harness.quiet();

      const only = { failure: 'Refused' };
      assert.ok((await redrive(connection, { only, limit: 1 })) >= 1);
      await connection.publish(...messages('k', ['d']));

      assert.deepEqual(idsOf(await drain(started, 4)), ['a', 'b', 'c', 'd']);
      const { items } = await connection.store.dead({ ...everything, subscription: null });
      assert.deepEqual(idsOf(items), ['x']);
    },
  },
  {
    id: 'redrive-limited',
    promise: 'G8',
    title: 'a redrive with a limit sends back the first ones, and the next one those behind them',
    needs: {},
    async run(harness) {
      const started = await withDeaths(harness);
      const { connection } = started;

      assert.equal(await redrive(connection, { only: { key: 'k' }, limit: 2 }), 2);
      assert.deepEqual(idsOf(await drain(started, 2)), ['d1', 'd3']);
      assert.equal(await redrive(connection, { limit: 3 }), 3);
      assert.deepEqual(idsOf(await drain(started, 3)).toSorted(), ['d2', 'd4', 'd5']);
      assert.equal(await redrive(connection, { only: { key: 'l' }, limit: 3 }), 1);
      assert.deepEqual(idsOf(await drain(started, 1)), ['d6']);
    },
  },
];

const everything = { id: null, cursor: null, limit: 100 } as const;

function redrive(
  { store }: Connection,
  given: { readonly only?: DeadFilter; readonly limit?: number },
): Promise<number> {
  return store.redrive({ all: true, subscription: 'billing', ...given });
}

interface Death {
  readonly key: string;
  readonly topic: string;
  readonly reason: DeadReason;
  readonly failure: Failure | null;
}

/** d1 to d6, one second after the other: no two alike. */
const deaths: readonly Death[] = [
  { key: 'k', topic: 'order.placed', reason: 'gave-up', failure: named('Refused') },
  { key: 'l', topic: 'order.placed', reason: 'gave-up', failure: named('Closed') },
  { key: 'k', topic: 'order.paid', reason: 'gave-up', failure: named('Broken') },
  { key: 'l', topic: 'order.placed', reason: 'crashed', failure: null },
  { key: 'k', topic: 'order.placed', reason: 'gave-up', failure: named('Late') },
  { key: 'l', topic: 'order.paid', reason: 'gave-up', failure: named('Slow') },
];
const deathStepMs = 1_000;

interface Deceased extends Started {
  /** When each of them died. */
  readonly diedAt: readonly number[];
}

async function withDeaths(harness: Harness): Promise<Deceased> {
  const diedAt: number[] = [];
  const started = await harness.start({ topics: ['order.placed', 'order.paid'] });
  for (const [index, { key, topic, reason, failure }] of deaths.entries()) {
    await started.connection.publish({ id: `d${index + 1}`, key, topic });
    const delivery = await started.consumer.one();
    diedAt.push(harness.clock.now());
    await started.connection.settled(deadLetter(delivery, reason, failure));
    await harness.clock.advance(deathStepMs);
  }
  return { ...started, diedAt };
}

function named(name: string): Failure {
  return { name, message: `it was ${name.toLowerCase()}` };
}

/** What was out behind a dead one of its key comes again. */
async function dieAll(
  { connection, consumer }: Started,
  count: number,
  failureOf: (message: { readonly id: string }) => Failure,
): Promise<void> {
  consumer.grant(count);
  for (let died = 0; died < count; ) {
    const batch = [...(await consumer.next(1)), ...consumer.pending()];
    const outcomes = await connection.settle(
      ...batch.map((delivery) => deadLetter(delivery, 'gave-up', failureOf(delivery))),
    );
    const dead = outcomes.filter((outcome) => outcome === 'settled').length;
    consumer.grant(batch.length - dead);
    died += dead;
  }
}
