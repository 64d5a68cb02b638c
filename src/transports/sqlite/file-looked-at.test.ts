/** Who only looks at a file makes nothing: neither the file, nor tables in it. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'vitest';
import { temporaryFolder } from '../../../test/support/temporary-folder.ts';
import { nodeSqlite } from './driver-node.ts';
import { type FileOptions, openFile } from './file.ts';

const folder = temporaryFolder();
const options: FileOptions = {
  driver: nodeSqlite(),
  durability: 'full',
  migrations: ['create table ml_one(id integer primary key)'],
};
const looking: FileOptions = { ...options, create: 'never' };

function newPath(): string {
  const place = join(folder, String(readdirSync(folder).length));
  mkdirSync(place);
  return join(place, 'app.db');
}

describe('who only looks', () => {
  test.each(['app.db', 'nowhere/app.db'])('makes no %s', (name) => {
    const place = join(newPath(), '..');
    const sentence = /app\.db" must exist to be looked at, got none; correct the path, or start /;

    assert.throws(() => openFile(join(place, name), looking), {
      code: 'ENGINE_UNREACHABLE',
      message: sentence,
    });
    assert.deepEqual(readdirSync(place), []);
  });

  test('leaves a file without malote as it is', () => {
    const path = newPath();
    const own = new DatabaseSync(path);
    own.exec('create table mine(a)');
    own.close();
    const before = readFileSync(path);

    assert.throws(() => openFile(path, looking), {
      code: 'ENGINE_UNREACHABLE',
      message: /app\.db" must have malote's tables to be looked at, got none; /,
    });
    assert.deepEqual(readFileSync(path), before);
    assert.deepEqual(readdirSync(join(path, '..')), ['app.db']);
  });

  test('sees what is there', () => {
    const path = newPath();
    openFile(path, options).db.close();

    const { db } = openFile(path, looking);

    const row = db.prepare('select version from ml_schema').get() ?? {};
    assert.deepEqual(Object.values(row), [1]);
    db.close();
  });
});
