/** G2: the same message published twice. */

import assert from 'node:assert/strict';
import type { PublishOutcome } from '../../transport/transport.ts';
import type { ConformanceCase } from './case.ts';
import { drain } from './flow.ts';
import type { Harness } from './harness.ts';
import { ack, deadLetter, idsOf } from './settlements.ts';

const dedupe = ['payment:7'];

export const dedupes: readonly ConformanceCase[] = [
  {
    id: 'dedupe-answers-first',
    promise: 'G2',
    title: 'a repetition is not stored, and its publisher is told the id of the first',
    needs: { dedupe: true },
    async run(harness) {
      const started = await harness.start();
      const other = await harness.open();
      await started.connection.publish({ id: 'first', key: 'k', dedupe });

      assert.deepEqual(await other.offer({ id: 'second', key: 'k', dedupe }), [
        duplicateOf('first'),
      ]);
      const received = await drain(started, 1);
      assert.deepEqual(await other.offer({ id: 'third', dedupe }), [duplicateOf('first')]);

      assert.deepEqual(idsOf(received), ['first']);
      started.consumer.grant(3);
      await started.consumer.nothing();
    },
  },
  {
    id: 'dedupe-any-of-several',
    promise: 'G2',
    title: 'a message known by an id and a key is recognised by either',
    needs: { dedupe: true },
    async run(harness) {
      const { connection } = await harness.start();
      await connection.publish({ id: 'first', dedupe: ['id:1', 'key:a'] });

      assert.deepEqual(
        await connection.offer(
          { id: 'b', dedupe: ['id:1', 'key:b'] },
          { id: 'c', dedupe: ['id:2', 'key:a'] },
          { id: 'd', dedupe: ['id:3', 'key:c'] },
        ),
        [duplicateOf('first'), duplicateOf('first'), { kind: 'stored' }],
      );
    },
  },
  {
    id: 'dedupe-within-topic',
    promise: 'G2',
    title: 'repetitions are recognised within their topic only',
    needs: { dedupe: true },
    async run(harness) {
      const { connection, consumer } = await harness.start({ topics: ['a.first', 'b.second'] });
      await connection.publish({ id: 'a', topic: 'a.first', dedupe });
      await connection.publish({ id: 'b', topic: 'b.second', dedupe });

      assert.deepEqual(idsOf(await drain({ connection, consumer }, 2)).toSorted(), ['a', 'b']);
    },
  },
  {
    id: 'dedupe-within-batch',
    promise: 'G2',
    title: 'a repetition within one batch is recognised',
    needs: { dedupe: true },
    async run(harness) {
      const started = await harness.start();
      const outcomes = await started.connection.offer(
        { id: 'a', key: 'k', dedupe },
        { id: 'b', key: 'k', dedupe },
        { id: 'c', key: 'k', dedupe: ['payment:8'] },
      );

      assert.deepEqual(outcomes, [{ kind: 'stored' }, duplicateOf('a'), { kind: 'stored' }]);
      assert.deepEqual(idsOf(await drain(started, 2)), ['a', 'c']);
    },
  },
  {
    id: 'dedupe-at-once',
    promise: 'G2',
    title: 'of repetitions published at once by several processes, one is stored',
    needs: { dedupe: true },
    async run(harness) {
      const started = await harness.start();
      const processes = [started.connection, await harness.open(), await harness.open()];
      const offers = Array.from({ length: 12 }, (_, index) =>
        processes[index % 3]!.offer({ id: `m${index}`, key: 'k', dedupe }),
      );
      const outcomes = (await Promise.all(offers)).flat();

      const stored = outcomes.flatMap(({ kind }, index) =>
        kind === 'stored' ? [`m${index}`] : [],
      );
      assert.equal(stored.length, 1);
      const others = outcomes.filter(({ kind }) => kind !== 'stored');
      assert.deepEqual(
        others,
        Array.from({ length: 11 }, () => duplicateOf(stored[0] ?? '')),
      );
      assert.deepEqual(idsOf(await drain(started, 1)), stored);
    },
  },
  {
    id: 'dedupe-only-by-request',
    promise: 'G2',
    title: 'messages that carry nothing to recognise them by are never taken for repetitions',
    needs: {},
    async run(harness) {
      const started = await harness.start();
      const same = { key: 'k', body: 'same', headers: '{"same":true}' };
      await started.connection.publish({ id: 'a', ...same }, { id: 'b', ...same });
      await started.connection.publish({ id: 'c', ...same });

      assert.deepEqual(idsOf(await drain(started, 3)), ['a', 'b', 'c']);
    },
  },
  {
    id: 'dedupe-survives-crash',
    promise: 'G2',
    title: 'a publisher that died before it heard the answer may repeat, and the message stays one',
    needs: { dedupe: true },
    async run(harness) {
      const started = await harness.start();
      const dying = await harness.open();
      const unanswered = dying.offer({ id: 'a', key: 'k', dedupe }).catch(() => undefined);
      dying.abandon();
      await unanswered;

      const [outcome] = await (await harness.open()).offer({ id: 'a', key: 'k', dedupe });

      assert.ok(outcome?.kind === 'stored' || outcome?.kind === 'duplicate');
      assert.deepEqual(idsOf(await drain(started, 1)), ['a']);
      started.consumer.grant(3);
      await started.consumer.nothing();
    },
  },
  {
    id: 'dedupe-forgets-refused',
    promise: 'G2',
    title: 'a message that was refused may be published again: it is no repetition of anything',
    needs: { dedupe: true },
    async run(harness) {
      const { connection, consumer } = await harness.start({ maxDepth: 1 });
      await connection.publish({ id: 'first' });
      const [refused] = await connection.offer({ id: 'second', dedupe });
      assert.equal(refused?.kind, 'full');
      await connection.settled(ack(await consumer.one()));

      await connection.publish({ id: 'second', dedupe });

      assert.equal((await consumer.one()).id, 'second');
    },
  },
  {
    id: 'dedupe-without-subscription',
    promise: 'G2',
    title:
      'repetitions are recognised while the topic keeps its messages, and after their adoption',
    needs: { dedupe: true },
    async run(harness) {
      const publisher = await harness.open();
      await publisher.publish({ id: 'first', dedupe });
      const kept = await publisher.offer({ id: 'second', dedupe });
      const started = await harness.start();
      const adopted = await publisher.offer({ id: 'third', dedupe });

      assert.deepEqual([...kept, ...adopted], [duplicateOf('first'), duplicateOf('first')]);
      assert.deepEqual(idsOf(await drain(started, 1)), ['first']);
    },
  },
  {
    id: 'dedupe-outlives-message',
    promise: 'G2',
    title: 'a repetition is recognised as long as the first is there, and a week after it is done',
    needs: { dedupe: true },
    async run(harness) {
      const { connection, consumer } = await harness.start(patient);
      await connection.publish({ id: 'dead', dedupe: ['dead'] });
      await connection.settled(deadLetter(await consumer.one()));
      await connection.publish({ id: 'delayed', delayMs: 10 * dayMs, dedupe: ['delayed'] });
      await connection.publish({ id: 'waiting', key: 'w', facts: [fact], dedupe: ['waiting'] });
      await connection.publish({ id: 'ready', key: 'r', dedupe: ['ready'] });
      await connection.close();

      for (let weeks = 1; weeks <= 2; weeks++) {
        await harness.clock.advance(8 * dayMs);
        await expectKnown(harness, true);
      }
      const later = await harness.start(patient);
      await later.connection.fulfil(fact);
      const done = await drain(later, 3);
      assert.deepEqual(idsOf(done).toSorted(), ['delayed', 'ready', 'waiting']);
      assert.equal(await later.connection.store.cancel('dead'), 'cancelled');
      await later.connection.close();

      await harness.clock.advance(7 * dayMs - 60_000);
      await expectKnown(harness, true);
      await harness.clock.advance(dayMs);
      await expectKnown(harness, false);
    },
  },
];

const dayMs = 24 * 3_600_000;
const fact = 'customer:1';
const patient = { waitingDeadlineMs: 365 * dayMs };

/** Publishes all of them again; the process has had the time to forget what it may. */
async function expectKnown(harness: Harness, isKnown: boolean): Promise<void> {
  const connection = await harness.open();
  await connection.subscribe(patient);
  await harness.quiet();
  const ids = ['dead', 'delayed', 'waiting', 'ready'];
  const outcomes = await connection.offer(...ids.map((id) => ({ id: `${id} 2`, dedupe: [id] })));
  const stored: PublishOutcome = { kind: 'stored' };
  assert.deepEqual(
    outcomes,
    ids.map((id) => (isKnown ? duplicateOf(id) : stored)),
  );
  await connection.close();
}

function duplicateOf(id: string): PublishOutcome {
  return { kind: 'duplicate', id };
}
