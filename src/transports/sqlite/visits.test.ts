/**
 * The rows that SQLite visits for a claim and its acks, beside 100,000 keys that stand still and
 * one key with a million messages: as many as beside a handful. Rows are counted where SQLite
 * looks at them, by a function in the condition of every statement, so that those count too which
 * it passes over and nobody is given.
 */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  ack,
  deadLetter,
  type SqliteBench,
  sqliteBench,
} from '../../../test/support/sqlite-bench.ts';
import { laneState } from './layout.ts';

let visited = 0;
const { prepare } = DatabaseSync.prototype;

beforeEach(() => {
  const counting = new WeakSet<DatabaseSync>();
  DatabaseSync.prototype.prepare = function (text, ...given) {
    if (!counting.has(this)) {
      counting.add(this);
      this.function('is_visited', () => {
        visited += 1;
        return 1;
      });
    }
    return prepare.call(this, text.replaceAll(/\bwhere\b/g, 'where is_visited() and'), ...given);
  };
});

afterEach(() => {
  DatabaseSync.prototype.prepare = prepare;
});

test('a claim visits as many rows beside 100,000 still keys and a long one as beside few', {
  timeout: 120_000,
}, async () => {
  const besideFew = await visitsOfRounds({ still: 10, long: 100 });
  const besideMany = await visitsOfRounds({ still: 100_000, long: 1_000_000 });

  expect(besideFew).toBeGreaterThan(0);
  assert.equal(besideMany, besideFew);
});

test('the count sees what an index makes a claim pass over', async () => {
  const besideFew = await visitsOfRounds({ still: 10, long: 100 });
  const passedOver = await visitsOfRounds({ still: 2_000, long: 100, index: withoutState });

  expect(passedOver).toBeGreaterThan(besideFew + 2_000);
});

const withoutState = `
  drop index ml_lane_ready;
  create index ml_lane_ready on ml_lane (subscription, ready_at);
`;

interface Crowd {
  /** Keys in each of the states in which a key stands still. */
  readonly still: number;
  /** Messages of the key `long`, which is ready like the few others. */
  readonly long: number;
  readonly index?: string;
}

/** Visits of ten rounds, each of which claims some messages and acknowledges them. */
async function visitsOfRounds(crowd: Crowd): Promise<number> {
  const bench = sqliteBench();
  await crowdIn(bench, crowd);
  const process = await bench.open();
  const consumer = process.consume();
  // A millisecond for each: within one, their places depend on how many messages came before.
  for (const key of liveKeys) {
    await bench.clock.advance(1);
    await process.publish({ id: key, key });
  }
  const seen = new Set<string | null>();

  visited = 0;
  for (let round = 1; round <= 10; round++) {
    const taken = await consumer.take(4);
    for (const { key } of taken) seen.add(key);
    await process.settle(...taken.map(ack));
  }

  assert.deepEqual(seen, new Set([...liveKeys, 'long']));
  assert.deepEqual(process.failures, []);
  return visited;
}

const liveKeys = ['a', 'b', 'c', 'd', 'e'];

/** Rows like those that the engine itself wrote for one key in each state, as often as asked. */
async function crowdIn(bench: SqliteBench, { still, long, index }: Crowd): Promise<void> {
  const process = await bench.open();
  await process.subscribe({ onDead: 'block' });
  const consumer = process.consume();
  await process.publish({ id: 'blocked', key: 'blocked' });
  for (const delivery of await consumer.take(1)) await process.settle(deadLetter(delivery));
  await process.publish({ id: 'waiting', key: 'waiting', facts: ['customer:1'] });
  await process.publish({ id: 'retrying', key: 'retrying' });
  for (const delivery of await consumer.take(1)) {
    const failure = { name: 'Error', message: 'failed' };
    await process.settle({ kind: 'retry', delivery, afterMs: 86_400_000, failure });
  }
  consumer.stop();
  await process.publish({ id: 'long', key: 'long' });
  await process.transport.close();

  const db = bench.connect();
  db.exec('pragma synchronous = off; begin');
  for (const [name, state] of Object.entries(stillStates)) {
    const [lane] = db
      .prepare('select lane from ml_lane where name = ? and state = ?')
      .all(name, state);
    db.exec(multiply(Number(lane!['lane']), still));
  }
  const [lane] = db.prepare("select lane from ml_lane where name = 'long'").all();
  db.exec(lengthen(Number(lane!['lane']), long));
  // Nothing is left to be given to the index by message id meanwhile, which is not of a claim.
  db.exec(`update ml_meta set named = sequence; ${index ?? ''} commit`);
  db.close();
}

const stillStates = {
  blocked: laneState.blocked,
  waiting: laneState.waiting,
  retrying: laneState.ready,
};

const numbersUpTo = (count: number): string => `
  with recursive
    numbers (n) as (select 1 union all select n + 1 from numbers where n < ${count}),
    fresh (n, id) as (select n, sequence + n from numbers, ml_meta)`;

/** As many keys more in the same state as a key that is in it. */
function multiply(lane: number, count: number): string {
  return `
    insert into ml_wait ${numbersUpTo(count)}
      select fact, lane + id from ml_wait, fresh where lane = ${lane};
    insert into ml_dead ${numbersUpTo(count)}
      select ml_dead.id + fresh.id, subscription, lane + fresh.id, key || n, topic,
        message_id || n, reason, attempt, accepted_at, died_at, headers, facts, body
      from ml_dead, fresh where lane = ${lane};
    insert into ml_message ${numbersUpTo(count)}
      select ml_message.id + fresh.id, lane + fresh.id, accepted_at, attempt, mark, topic,
        message_id || n, headers, facts, key, 1, body
      from ml_message, fresh where lane = ${lane};
    insert into ml_lane ${numbersUpTo(count)}
      select lane + id, subscription, key + n, name || n, cold, state, ready_at, owner, upto, flags
      from ml_lane, fresh where lane = ${lane};
    ${moveSequence(count)}`;
}

/** As many messages more at the end of a key. */
function lengthen(lane: number, count: number): string {
  return `
    insert into ml_message ${numbersUpTo(count)}
      select ml_message.id + fresh.id, lane, accepted_at, attempt, mark, topic, message_id || n,
        headers, facts, key, 1, body
      from ml_message, fresh where lane = ${lane};
    ${moveSequence(count)}`;
}

/** Past every id that was made above: sums of one that was there and one that was not. */
function moveSequence(count: number): string {
  return `update ml_meta set sequence = 2 * sequence + ${count};`;
}
