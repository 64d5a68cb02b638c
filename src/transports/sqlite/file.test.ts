/**
 * What opening a file promises: a fit file is set up and brought to the version, any other is
 * refused by name and left as it was.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, test } from 'vitest';
import { type ErrorCode, MaloteError } from '../../errors.ts';
import { isBusy, isFatal, toMaloteError } from './driver-errors.ts';
import type { Connection } from './driver.ts';
import { nodeSqlite } from './driver-node.ts';
import { type FileOptions, type OpenedFile, openFile, requireSqlite } from './file.ts';

const options: FileOptions = {
  driver: nodeSqlite(),
  durability: 'full',
  migrations: [
    'create table ml_one(id integer primary key, body); create table ml_log(at integer)',
    'alter table ml_one add column topic; insert into ml_log values (2)',
  ],
};
const isRoot = process.getuid?.() === 0;

let directory: string;
let path: string;
let opened: DatabaseSync[];

beforeEach(() => {
  directory = mkdtempSync(join(realpathSync(tmpdir()), 'malote-file-'));
  path = join(directory, 'app.db');
  opened = [];
});

afterEach(() => {
  for (const db of opened) if (db.isOpen) db.close();
  rmSync(directory, { recursive: true });
});

function open(file = path, more: Partial<FileOptions> = {}): OpenedFile {
  const result = openFile(file, { ...options, ...more });
  opened.push(result.db as DatabaseSync);
  return result;
}

function raw(file = path): DatabaseSync {
  const db = new DatabaseSync(file);
  opened.push(db);
  return db;
}

function value(db: Connection, sql: string): unknown {
  return Object.values(db.prepare(sql).get() ?? {})[0];
}

function refusal(code: ErrorCode, sentence: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof MaloteError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, sentence);
    return true;
  };
}

describe('a new file', () => {
  test('is set up for durable commits that never wait in the event loop', () => {
    const { db } = open();

    assert.deepEqual(
      ['journal_mode', 'synchronous', 'busy_timeout', 'cache_size', 'temp_store'].map((name) =>
        value(db, `pragma ${name}`),
      ),
      ['wal', 2, 0, -65536, 2],
    );
    assert.equal(value(db, 'pragma wal_autocheckpoint'), 20_000);
    assert.equal(value(open(path, { durability: 'normal' }).db, 'pragma synchronous'), 1);
  });

  test('belongs to its owner alone, whatever the umask', () => {
    for (const mask of [0o000, 0o777]) {
      const before = process.umask(mask);
      const file = join(directory, `mask-${mask}.db`);
      try {
        open(file);
      } finally {
        process.umask(before);
      }
      const modes = ['', '-wal', '-shm'].map((suffix) => statSync(file + suffix).mode & 0o777);
      assert.deepEqual(modes, [0o600, 0o600, 0o600], file);
    }
  });

  test('has one identity under all its names', () => {
    const link = join(directory, 'link.db');
    symlinkSync(path, join(directory, 'early.db'));
    const first = open();
    symlinkSync(path, link);
    const second = open(link);

    assert.equal(second.path, path);
    assert.equal(second.identity, first.identity);
    const { dev, ino } = statSync(path);
    assert.equal(first.identity, `${dev}:${ino}`);
  });

  test('is not made through a link to nothing', () => {
    symlinkSync(path, join(directory, 'dangling.db'));

    assert.throws(
      () => open(join(directory, 'dangling.db')),
      refusal('ENGINE_FAILED', /dangling\.db" failed .*ENOENT/),
    );
  });
});

describe('the version', () => {
  test('is that of the last migration, and each migration runs once', () => {
    const before = open(path, { migrations: options.migrations.slice(0, 1) });
    assert.equal(value(before.db, 'select version from ml_schema'), 1);
    before.db.close();

    for (let start = 0; start < 3; start++) {
      const { db } = open();
      assert.equal(value(db, 'select version from ml_schema'), 2);
      assert.equal(value(db, 'select count(*) from ml_log'), 1);
      assert.equal(value(db, 'select count(*) from ml_schema'), 1);
      assert.equal(value(db, 'pragma user_version'), 0);
    }
  });

  test('written by a newer malote is refused, and nothing is changed', () => {
    open().db.exec('update ml_schema set version = 9');

    assert.throws(
      () => open(),
      refusal('ENGINE_VERSION', /version 2 or older, got 9; .*update malote/),
    );
    assert.equal(value(raw(), 'select version from ml_schema'), 9);
  });

  test('stays what it was when a migration fails', () => {
    open(path, { migrations: options.migrations.slice(0, 1) }).db.close();
    const broken = [options.migrations[0]!, 'insert into ml_log values (7); select nonsense'];

    assert.throws(() => open(path, { migrations: broken }), refusal('ENGINE_FAILED', /nonsense/));

    const db = raw();
    assert.equal(value(db, 'select version from ml_schema'), 1);
    assert.equal(value(db, 'select count(*) from ml_log'), 0);
  });

  test('of an SQLite that may lose commits is refused', () => {
    for (const good of ['3.51.3', '3.51.10', '3.52.0', '4.0.0']) requireSqlite(good, 'cure');
    for (const bad of ['3.51.2', '3.50.7', '3.9.99', '2.99.99', '']) {
      assert.throws(
        () => requireSqlite(bad, 'cure'),
        refusal('ENGINE_VERSION', /3\.51\.3 or newer.*; cure$/),
      );
    }
  });
});

describe('a file with other tables', () => {
  test('is shared: its tables, user_version and application_id stay its own', () => {
    const own = raw();
    own.exec('create table payment(id integer primary key); insert into payment values (7)');
    own.exec('pragma user_version = 41');

    const { db } = open();

    assert.equal(value(db, 'select id from payment'), 7);
    assert.equal(value(db, 'pragma user_version'), 41);
    assert.equal(value(db, 'pragma application_id'), 0);
    assert.equal(value(db, 'select version from ml_schema'), 2);
  });

  test('is refused when another program marked it, unless its owner agrees', () => {
    const own = raw();
    own.exec('create table payment(id integer primary key); pragma application_id = 77');

    assert.throws(
      () => open(),
      refusal('OPTION_INVALID', /application_id 77.*create table ml_schema/),
    );
    assert.equal(value(own, `select count(*) from sqlite_schema where name like 'ml_%'`), 0);

    own.exec('create table ml_schema(version integer not null)');
    assert.equal(value(open().db, 'pragma application_id'), 77);
  });

  test('keeps a mark of malote when malote made it', () => {
    open().db.close();

    assert.equal(value(raw(), 'pragma application_id'), 0x6d6c6f74);
    assert.equal(value(open().db, 'select version from ml_schema'), 2);
  });
});

describe('a file that is not fit', () => {
  test.each([
    ['', /malote\/memory/],
    [':memory:', /malote\/memory/],
    ['file:app.db?mode=memory', /not a URL/],
    ['app\0.db', /not a URL/],
  ])('is refused by its name: %j', (name, sentence) => {
    assert.throws(() => open(name), refusal('OPTION_INVALID', sentence));
  });

  test('is refused when it is a directory, or its directory is missing', () => {
    mkdirSync(path);
    assert.throws(() => open(), refusal('OPTION_INVALID', /must be a file, got/));
    assert.throws(
      () => open(join(directory, 'missing', 'app.db')),
      refusal('OPTION_INVALID', /existing directory, got .*create/),
    );
    writeFileSync(join(directory, 'text'), '');
    assert.throws(
      () => open(join(directory, 'text', 'app.db')),
      refusal('OPTION_INVALID', /existing directory/),
    );
  });

  test('is refused when it is a text, and left as it was', () => {
    const text = 'Not a database, but something that somebody may still need.\n'.repeat(99);
    writeFileSync(path, text);

    assert.throws(
      () => open(),
      refusal('ENGINE_CORRUPT', /app\.db" is damaged or not an SQLite database/),
    );
    assert.equal(readFileSync(path, 'utf8'), text);
  });

  test('is refused when it was cut', () => {
    const { db } = open();
    db.exec('insert into ml_one(body) values (zeroblob(100000))');
    db.close();
    truncateSync(path, 3 * 4096);

    assert.throws(() => open(), refusal('ENGINE_CORRUPT', /restore a backup/));
  });

  test.each([
    ['in its first bytes', 3],
    ['in the schema', 100],
  ])('is refused when a byte was flipped %s', (_where, at) => {
    open().db.close();
    flip(path, at);

    assert.throws(() => open(), refusal('ENGINE_CORRUPT', /damaged/));
  });

  test('with a byte flipped in a table answers that it is corrupt when it is read', () => {
    const before = open();
    before.db.exec('insert into ml_one(body) values (zeroblob(100000))');
    const page = Number(
      value(before.db, `select rootpage from sqlite_schema where name = 'ml_one'`),
    );
    before.db.close();
    flip(path, (page - 1) * 4096);

    const { db } = open();
    assert.throws(
      () => db.exec('select * from ml_one'),
      (error) => toMaloteError(error, path).code === 'ENGINE_CORRUPT' && isFatal(error),
    );
  });

  test('that reached its size limit refuses the write, and goes on once there is room', () => {
    const { db } = open();
    const limit = Number(value(db, 'pragma page_count')) + 2;
    db.exec(`pragma max_page_count = ${limit}`);
    const insert = db.prepare('insert into ml_one(body) values (zeroblob(20000))');

    assert.throws(
      () => insert.run(),
      (error) => toMaloteError(error, path).code === 'ENGINE_FULL' && !isFatal(error),
    );
    assert.equal(value(db, 'pragma integrity_check'), 'ok');

    db.exec('pragma max_page_count = 1000');
    insert.run();
    assert.equal(value(db, 'select count(*) from ml_one'), 1);
  });

  test('is refused when an ordinary user may not write it or its directory', async () => {
    open().db.close();
    if (isRoot) for (const name of [directory, path]) chownSync(name, 65534, 65534);

    chmodSync(path, 0o400);
    assert.deepEqual(await openAsUser(), ['ENGINE_READ_ONLY', true]);
    chmodSync(path, 0o600);
    chmodSync(directory, 0o500);
    assert.deepEqual(await openAsUser(), ['ENGINE_READ_ONLY', true]);
    chmodSync(directory, 0o700);
    assert.deepEqual(await openAsUser(), ['open']);
  });

  test('behind a connection that may not write answers that it is read-only', () => {
    const { db } = open();
    db.exec('pragma query_only = 1');

    assert.throws(
      () => db.exec('insert into ml_log values (1)'),
      (error) => toMaloteError(error, path).code === 'ENGINE_READ_ONLY' && isFatal(error),
    );
  });
});

describe('several processes', () => {
  test('that start at once migrate once', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => openInChild()));

    assert.deepEqual(
      answers,
      Array.from({ length: 8 }, () => ['open']),
    );
    const { db } = open();
    assert.equal(value(db, 'select count(*) from ml_log'), 1);
    assert.equal(value(db, 'select count(*) from ml_schema'), 1);
    assert.equal(value(db, 'pragma integrity_check'), 'ok');
  });

  test('do not wait for a writer when nothing is to migrate', () => {
    open();
    const writer = raw();
    writer.exec('begin immediate; insert into ml_log values (3)');

    const second = open();

    assert.equal(value(second.db, 'select version from ml_schema'), 2);
    assert.throws(() => second.db.exec('begin immediate'), isBusy);
    writer.exec('rollback');
  });

  test('are told when one of them holds the file for too long', () => {
    const writer = raw();
    writer.exec('pragma journal_mode = wal; create table payment(id); begin immediate');

    assert.throws(
      () => open(),
      refusal('ENGINE_BUSY', /app\.db" is locked.*transaction that is left open/),
    );
    writer.exec('rollback');
    assert.equal(value(open().db, 'select version from ml_schema'), 2);
  });
});

function flip(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at] = bytes[at]! ^ 0xff;
  writeFileSync(file, bytes);
}

/** Opens the file in a child that is not root, since root may write everything. */
function openAsUser(): Promise<unknown> {
  return openInChild(isRoot ? { uid: 65534, gid: 65534 } : {});
}

async function openInChild(user: { uid?: number; gid?: number } = {}): Promise<unknown> {
  const script = `
    const { path, options, modules } = JSON.parse(process.argv[1]);
    const [{ openFile }, { nodeSqlite }] = await Promise.all(modules.map((name) => import(name)));
    try {
      openFile(path, { ...options, driver: nodeSqlite() }).db.close();
      console.log('["open"]');
    } catch (error) {
      console.log(JSON.stringify([error.code, error.message.includes(path)]));
    }`;
  const modules = ['file.ts', 'driver-node.ts'].map((name) => new URL(name, import.meta.url).href);
  const given = { path, options, modules };
  const child = spawn(
    process.execPath,
    ['--input-type=module', '-e', script, JSON.stringify(given)],
    { stdio: ['ignore', 'pipe', 'pipe'], ...user },
  );
  let output = '';
  let problems = '';
  child.stdout.on('data', (chunk) => (output += String(chunk)));
  child.stderr.on('data', (chunk) => (problems += String(chunk)));
  await once(child, 'close');
  assert.notEqual(output, '', problems);
  return JSON.parse(output);
}
