/** State is kept for keys that have messages, and for no others: it does not grow with keys. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import {
  ack,
  type SqliteConsumer,
  type SqliteProcess,
  sqliteBench,
} from '../../../test/support/sqlite-bench.ts';

const keys = 10_000;
/** One of five waits for a fact, one is retried, one is parked, one is late. */
const kinds = 5;

test('after ten thousand keys are done, nothing is left of them', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  for (let from = 0; from < keys; from += 500) {
    await process.publish(...Array.from({ length: 500 }, (_, index) => draft(from + index)));
  }
  const consumer = process.consume();
  const settled = await settleOnce(process, consumer);
  assert.equal(settled, (keys * 3) / kinds, 'the others wait, or are not due');
  assert.deepEqual(bench.rows('select count(*) from ml_lane'), [[(keys * 3) / kinds]]);

  const facts = Array.from({ length: keys }, (_, index) => factOf(index));
  await process.transport.queue.mark(facts.map((fact) => ({ fact, state: 'fulfilled' })));
  await bench.clock.advance(120_000);
  await ackAll(process, consumer, (keys * 4) / kinds);

  for (const table of [
    'message',
    'lane',
    'wait',
    'lease',
    'later',
    'failure',
    'journal',
    'chore',
  ]) {
    assert.deepEqual(bench.rows(`select * from ml_${table}`), [], table);
  }
  assert.deepEqual(bench.rows('select done from ml_tally'), [[keys]]);
});

const factOf = (index: number): string => `customer:${index}`;

function draft(index: number) {
  const one = { id: `m${index}`, key: `k${index}` };
  if (index % kinds === 0) return { ...one, facts: [factOf(index)] };
  return index % kinds === 1 ? { ...one, delayMs: 60_000 } : one;
}

/** Retries, parks or acks what is ready. */
async function settleOnce(process: SqliteProcess, consumer: SqliteConsumer): Promise<number> {
  let settled = 0;
  for (;;) {
    const taken = await consumer.take(500);
    if (taken.length === 0) return settled;
    settled += taken.length;
    await process.settle(
      ...taken.map((delivery) => {
        const index = Number(delivery.id.slice(1));
        const failure = { name: 'Error', message: 'failed' };
        if (index % kinds === 2) {
          return { kind: 'retry', delivery, afterMs: 60_000, failure } as const;
        }
        if (index % kinds === 3) return { kind: 'park', delivery, facts: [factOf(index)] } as const;
        return ack(delivery);
      }),
    );
  }
}

async function ackAll(
  process: SqliteProcess,
  consumer: SqliteConsumer,
  count: number,
): Promise<void> {
  let done = 0;
  while (done < count) {
    const taken = await consumer.take(500);
    done += taken.length;
    await process.settle(...taken.map(ack));
  }
  assert.equal(done, count);
}
