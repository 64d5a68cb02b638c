/** What the package better-sqlite3 does otherwise than node:sqlite, on the real one. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { beforeAll, describe, onTestFinished, test } from 'vitest';
import { overBetterSqlite3 } from '../../../test/support/better-sqlite3.ts';
import { temporaryFolder } from '../../../test/support/temporary-folder.ts';
import { systemClock } from '../../clock.ts';
import { startCheckpoints } from './checkpoint.ts';
import type { Connection, Driver } from './driver.ts';
import { loadBetterSqlite3, numberOf } from './driver-better-sqlite3.ts';
import { isBusy, isFatal, isInvalidState, toMaloteError } from './driver-errors.ts';
import { openFile } from './file.ts';

const folder = temporaryFolder();
let files = 0;

overBetterSqlite3(() => {
  let driver: Driver;
  beforeAll(() => void (driver = loadBetterSqlite3()));

  function open(path = newPath()): Connection {
    const db = driver.open(path, { timeoutMs: 0, create: 'if-missing' });
    onTestFinished(() => db.close());
    return db;
  }

  function newPath(): string {
    files += 1;
    return join(folder, `${files}.db`);
  }

  describe('a statement', () => {
    test('takes numbered values by their place, and a question mark in a text for nothing', () => {
      const db = open();
      const numbered = db.prepare('select ?2 as b, ?1 as a, ?1 + ?2 as sum');
      const literal = db.prepare("select '?1' as text, ? as value -- ?1");

      assert.deepEqual(numbered.get(3, 4), { b: 4, a: 3, sum: 7 });
      assert.deepEqual(literal.get(5), { text: '?1', value: 5 });
    });

    test('answers arrays of plain numbers, whatever the defaults of its connection', () => {
      const path = newPath();
      const own = open(path);
      own.exec('create table t (n)');
      const statement = own.prepare('select 1, 2');
      statement.setReadBigInts(true);
      statement.setReturnArrays(true);
      assert.deepEqual(statement.all(), [[1n, 2n]]);
      statement.setReadBigInts(false);
      assert.deepEqual(statement.get(), [1, 2]);

      const insert = own.prepare('insert into t values (?)');
      insert.setReturnArrays(true);
      assert.equal(insert.run(1).changes, 1);
    });
  });

  describe('a failure', () => {
    function failureOf(run: () => unknown): unknown {
      try {
        run();
      } catch (error) {
        return error;
      }
      return assert.fail('it did not fail');
    }

    test('for another connection in the way is told as that', () => {
      const path = newPath();
      const [first, second] = [open(path), open(path)];
      first.exec('begin immediate');
      const error = failureOf(() => second.exec('begin immediate'));
      assert.deepEqual([isBusy(error), isFatal(error)], [true, false]);
    });

    test('of a file that is no database ends the connection', () => {
      const path = newPath();
      writeFileSync(path, 'x'.repeat(4_096));
      const db = open(path);
      const error = failureOf(() => db.exec('select * from sqlite_schema'));
      assert.deepEqual(
        [isFatal(error), toMaloteError(error, 'file').code],
        [true, 'ENGINE_CORRUPT'],
      );
    });

    test('of one that is closed says so', () => {
      const db = driver.open(newPath(), { timeoutMs: 0, create: 'if-missing' });
      const statement = db.prepare('select 1');
      db.close();
      for (const run of [() => db.exec('select 1'), () => statement.get()]) {
        const error = failureOf(run);
        assert.deepEqual([isInvalidState(error), isFatal(error)], [true, true]);
      }
      assert.equal(db.isTransaction, false);
    });

    test('of a statement ends nothing', () => {
      const error = failureOf(() => open().prepare('select nonsense'));
      const { code, message } = toMaloteError(error, 'file');
      assert.deepEqual([isFatal(error), code], [false, 'ENGINE_FAILED']);
      assert.match(message, /nonsense/);
    });
  });

  test('a file that is gone is not made anew', () => {
    const path = newPath();
    assert.throws(() => driver.open(path, { timeoutMs: 0, create: 'never' }), /unable to open/);
  });

  // Four thousand waits for a disk that others may use as well.
  const timeout = 180_000;

  test('the thread for checkpoints works with it', { timeout }, async () => {
    const path = newPath();
    const migrations = ['create table ml_row (id integer primary key, body)'];
    const { db } = openFile(path, { driver, durability: 'full', migrations });
    const capBytes = 2 * 2 ** 20;
    const checkpoints = startCheckpoints({ path, driver, clock: systemClock, capBytes });
    const replace = db.prepare('replace into ml_row values (?, zeroblob(40000))');
    let largest = 0;
    for (let turn = 0; turn < 4_000; turn++) {
      await nextTurn();
      try {
        checkpoints.begin(db);
      } catch (error) {
        if (isBusy(error)) continue;
        throw error;
      }
      replace.run(turn % 50);
      db.exec('commit');
      largest = Math.max(largest, checkpoints.walBytes());
    }
    await checkpoints.stop();
    db.close();

    assert.equal(checkpoints.problem(), null);
    // It takes the thread a while to start, on a crowded machine a longer one.
    assert.ok(largest < 80 * 2 ** 20, `${largest} bytes of log, of 160 MB that were written`);
  });
});

test('names of codes are numbers, and an extended one is its primary one where it is not known', () => {
  const names = ['SQLITE_BUSY', 'SQLITE_BUSY_SNAPSHOT', 'SQLITE_IOERR_FSYNC', 'SQLITE_IOERR_NOMEM'];
  assert.deepEqual(names.map(numberOf), [5, 5, 10, 3082]);
  const others = ['SQLITE_CONSTRAINT_UNIQUE', 'SQLITE_SCHEMA', 'ENOENT'];
  assert.deepEqual(others.map(numberOf), [19, 1, undefined]);
});
