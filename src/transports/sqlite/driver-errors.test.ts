/**
 * Every code of the driver and the system has one answer, with a sentence that helps.
 */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'vitest';
import { MaloteError } from '../../errors.ts';
import { isBusy, isFatal, toMaloteError } from './driver-errors.ts';

const where = 'sqlite file "/srv/app.db"';

function driverError(errcode: number): Error {
  return Object.assign(new Error('what the driver says'), { code: 'ERR_SQLITE_ERROR', errcode });
}

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: what the system says`), { code });
}

const rows = [
  ['BUSY', driverError(5), 'ENGINE_BUSY', 'busy'],
  ['BUSY_RECOVERY', driverError(261), 'ENGINE_BUSY', 'busy'],
  ['BUSY_SNAPSHOT', driverError(517), 'ENGINE_BUSY', 'busy'],
  ['LOCKED', driverError(6), 'ENGINE_BUSY', 'busy'],
  ['PROTOCOL', driverError(15), 'ENGINE_BUSY', 'busy'],
  ['NOMEM', driverError(7), 'ENGINE_FAILED', 'passing'],
  ['READONLY', driverError(8), 'ENGINE_READ_ONLY', 'fatal'],
  ['READONLY_DBMOVED', driverError(1032), 'ENGINE_READ_ONLY', 'fatal'],
  ['READONLY_DIRECTORY', driverError(1544), 'ENGINE_READ_ONLY', 'fatal'],
  ['IOERR', driverError(10), 'ENGINE_FAILED', 'fatal'],
  ['IOERR_FSYNC', driverError(1034), 'ENGINE_FAILED', 'fatal'],
  ['IOERR_NOMEM', driverError(3082), 'ENGINE_FAILED', 'passing'],
  ['IOERR_SHMSIZE', driverError(4874), 'ENGINE_FULL', 'passing'],
  ['CORRUPT', driverError(11), 'ENGINE_CORRUPT', 'fatal'],
  ['CORRUPT_INDEX', driverError(779), 'ENGINE_CORRUPT', 'fatal'],
  ['FULL', driverError(13), 'ENGINE_FULL', 'passing'],
  ['CANTOPEN', driverError(14), 'ENGINE_FAILED', 'fatal'],
  ['CONSTRAINT_PRIMARYKEY', driverError(1555), 'ENGINE_FAILED', 'passing'],
  ['FORMAT', driverError(24), 'ENGINE_VERSION', 'fatal'],
  ['NOTADB', driverError(26), 'ENGINE_CORRUPT', 'fatal'],
  ['a closed connection', systemError('ERR_INVALID_STATE'), 'ENGINE_FAILED', 'fatal'],
  ['ENOSPC', systemError('ENOSPC'), 'ENGINE_FULL', 'passing'],
  ['EACCES', systemError('EACCES'), 'ENGINE_READ_ONLY', 'fatal'],
  ['EROFS', systemError('EROFS'), 'ENGINE_READ_ONLY', 'fatal'],
  ['EMFILE', systemError('EMFILE'), 'ENGINE_FAILED', 'passing'],
  ['a fault in the program', new TypeError('x is not a function'), 'ENGINE_FAILED', 'passing'],
  ['a thrown string', 'no', 'ENGINE_FAILED', 'passing'],
] as const;

describe('an error of the driver', () => {
  test.each(rows)('%s becomes its code, and says what to do next', (_name, error, code, next) => {
    const wrapped = toMaloteError(error, where);

    assert.equal(wrapped.code, code);
    assert.equal(wrapped.cause, error);
    assert.ok(wrapped.message.startsWith(where), wrapped.message);
    assert.match(wrapped.message, /[;.] /, 'a cure follows');
    for (const form of [error, wrapped]) {
      assert.equal(isBusy(form), next === 'busy');
      assert.equal(isFatal(form), next === 'fatal');
    }
  });

  test('keeps its own code when it is one of ours already', () => {
    const ours = new MaloteError('QUEUE_FULL', 'a queue is full');

    assert.equal(toMaloteError(ours, where), ours);
    assert.equal(isFatal(ours), false);
    assert.equal(isBusy(ours), false);
  });

  test('is recognised as the driver throws it', () => {
    const db = new DatabaseSync(':memory:');
    db.exec('pragma max_page_count = 3; create table t(x)');
    const fill = db.prepare('insert into t values (zeroblob(9000))');

    assert.throws(
      () => fill.run(),
      (error) => {
        assert.equal(toMaloteError(error, where).code, 'ENGINE_FULL');
        return !isFatal(error) && !isBusy(error);
      },
    );
    db.close();
    assert.throws(() => db.exec('select 1'), isFatal);
  });
});
