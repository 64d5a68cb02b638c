/**
 * What a turn reads is bounded by what it hands out: it does not grow with keys that stand still, a
 * long lane, or messages that are not due. Rows are counted at the driver.
 */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { settleTurns } from '../../testing/virtual-clock.ts';
import {
  ack,
  numbered,
  type SqliteConsumer,
  type SqliteProcess,
  sqliteBench,
} from '../../../test/support/sqlite-bench.ts';

let rowsRead = 0;
const { prepare } = DatabaseSync.prototype;

beforeEach(() => {
  DatabaseSync.prototype.prepare = function (...given) {
    const statement = prepare.apply(this, given);
    for (const name of ['all', 'get'] as const) {
      const original = statement[name].bind(statement);
      Object.assign(statement, {
        [name](...values: never[]) {
          const answer = original(...values);
          if (answer !== undefined)
            rowsRead += Array.isArray(answer) && name === 'all' ? answer.length : 1;
          return answer;
        },
      });
    }
    return statement;
  };
});

afterEach(() => {
  DatabaseSync.prototype.prepare = prepare;
});

test('a claim reads the same number of rows whatever stands still, is long, or is not due', async () => {
  const besideFew = await readByOneClaim((process) => crowd(process, 10));
  const besideMany = await readByOneClaim((process) => crowd(process, 1_500));

  expect(besideFew).toBeGreaterThan(0);
  assert.equal(besideMany, besideFew);
});

test('a claim of many lanes reads a fixed number of rows for each', async () => {
  const process = await sqliteBench().open();
  await process.subscribe();
  await process.publish(...numbered('m', 400).map((id, index) => ({ id, key: `k${index % 100}` })));
  const consumer = process.consume();

  rowsRead = 0;
  const taken = await consumer.take(100);

  assert.equal(taken.length, 100);
  expect(rowsRead).toBeLessThan(100 * 3);
  rowsRead = 0;
  await process.settle(...taken.map(ack));
  expect(rowsRead).toBeLessThan(100 * 4);
});

/** Keys that wait, a long lane, and messages that are not due. */
async function crowd(process: SqliteProcess, size: number): Promise<void> {
  const waiting = numbered('w', 2 * size).map((id) => ({ id, key: id, facts: [`customer:${id}`] }));
  await process.publish(...waiting.slice(0, size));
  await process.publish(...waiting.slice(size));
  await process.publish(...numbered('l', size).map((id) => ({ id, key: 'long' })));
  await process.publish(...numbered('d', size).map((id) => ({ id, delayMs: 3_600_000 })));
}

/** Rows read by the claim and the ack of one message, in a file that something was done to. */
async function readByOneClaim(
  prepareFile: (process: SqliteProcess) => Promise<void>,
): Promise<number> {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  await process.publish(...numbered('m', 5).map((id) => ({ id, key: 'first' })));
  await prepareFile(process);
  const consumer: SqliteConsumer = process.consume();
  await settleTurns(8);
  // The end of the file is given to the index by message id meanwhile, which is not of the claim.
  await bench.clock.advance(5_000);

  rowsRead = 0;
  const [delivery] = await consumer.take(1);
  await process.settle(ack(delivery!));
  return rowsRead;
}
