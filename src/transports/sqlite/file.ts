/**
 * Opens the one file that an SQLite engine lives in: finds or creates it, checks that it is fit,
 * sets the connection up and brings malote's tables to the present version.
 *
 * The file may be the user's own, with other tables in it. So malote keeps its version in a table
 * of its own (`user_version` may be somebody's migrations), marks only files it created empty, and
 * never opens the file but through SQLite: closing any other descriptor of it would drop the
 * locks that the connections of this process hold.
 */
import {
  accessSync,
  closeSync,
  constants,
  fchmodSync,
  openSync,
  realpathSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { MaloteError, optionInvalid } from '../../errors.ts';
import type { Connection, Driver } from './driver.ts';
import { hasCode, isBusy, toMaloteError } from './driver-errors.ts';
import { enterFile } from './one-library.ts';

export interface FileOptions {
  readonly driver: Driver;
  /** `full`: an accepted message survives power loss. `normal`: the last commits may not. */
  readonly durability: 'full' | 'normal';
  /** The statements that lead from each version to the next; their number is the version. */
  readonly migrations: readonly string[];
  /** `never`: neither the file nor tables in it. @defaultValue 'if-missing' */
  readonly create?: 'if-missing' | 'never' | undefined;
}

export interface OpenedFile {
  readonly driver: Driver;
  readonly db: Connection;
  /** The real path: two names of one file have the same. */
  readonly path: string;
  /** `device:inode`, to notice that the path means another file by now. */
  readonly identity: string;
  /** To be called when every connection to it is closed, those of other threads included. */
  left(): void;
}

/** 'mlot', written into files that malote creates; see `pragma application_id`. */
const applicationId = 0x6d6c6f74;
/** From 3.7.0 to 3.51.2 two connections that write and checkpoint could lose a commit. */
const oldestSqlite = [3, 51, 3] as const;
/** The net, in pages, for a connection that `checkpoint.ts` does not look after. */
const autocheckpointPages = 20_000;
/** While several processes create or migrate at once each waits for the others, 2 s at least. */
const busyTries = 63;
const busyTryMs = 50;
/** File systems whose locks or shared memory do not reach the other machines (`statfs`). */
const networkFileSystems: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x5346414f, 'AFS'],
]);

export function openFile(path: string, options: FileOptions): OpenedFile {
  const { create = 'if-missing' } = options;
  const real = create === 'never' ? find(path) : findOrCreate(path);
  const where = `sqlite file "${real}"`;
  const { driver } = options;
  const identity = identityOf(real) ?? 'none';
  const left = enterFile(identity, driver.name, where);
  let db: Connection | undefined;
  try {
    db = driver.open(real, { timeoutMs: busyTryMs, create });
    setUp(db, where, options);
    return { driver, db, path: real, identity: identityOf(real) ?? 'none', left };
  } catch (error) {
    db?.close();
    left();
    throw toMaloteError(error, where);
  }
}

/** Which file a path means at the moment: `device:inode`, or null. */
export function identityOf(path: string): string | null {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? null : `${found.dev}:${found.ino}`;
}

/** Refuses an SQLite that is known to lose commits. */
export function requireSqlite(version: string, cure: string): void {
  const parts = version.split('.').map(Number);
  for (const [index, least] of oldestSqlite.entries()) {
    const part = parts[index] ?? 0;
    if (part > least) return;
    if (part === least) continue;
    throw new MaloteError(
      'ENGINE_VERSION',
      `malote needs SQLite ${oldestSqlite.join('.')} or newer (older ones can lose a commit), ` +
        `got ${version}; ${cure}`,
    );
  }
}

/** The path by which two names of one file are known to be the same; also before it exists. */
export function addressOf(path: string): string {
  const absolute = resolve(path);
  try {
    return realpathSync.native(absolute);
  } catch {
    // Not there yet, or not to be reached: opening it will say why.
  }
  try {
    return join(realpathSync.native(dirname(absolute)), basename(absolute));
  } catch {
    return absolute;
  }
}

function find(path: string): string {
  const found = findFile(path);
  if (found !== null) return found;
  throw notThere(`sqlite file "${resolve(path)}"`, 'exist');
}

/** For who only looks: nothing is made, so it must be there. */
function notThere(where: string, must: string): MaloteError {
  return new MaloteError(
    'ENGINE_UNREACHABLE',
    `${where} must ${must} to be looked at, got none; ` +
      'correct the path, or start what publishes or consumes there',
  );
}

function findFile(path: string): string | null {
  checkPath(path);
  const absolute = resolve(path);
  try {
    return checkFile(realpathSync.native(absolute), path);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return null;
    throw toMaloteError(error, `sqlite file "${absolute}"`);
  }
}

function findOrCreate(path: string): string {
  const found = findFile(path);
  if (found !== null) return found;
  const absolute = resolve(path);
  const where = `sqlite file "${absolute}"`;
  const directory = findDirectory(absolute, path);
  try {
    return checkFile(makeFile(join(directory, basename(absolute))), path);
  } catch (error) {
    throw toMaloteError(error, where);
  }
}

function checkPath(path: string): void {
  const expected = 'the path of a file';
  if (typeof path !== 'string') throw optionInvalid('sqlite path', expected, path);
  if (path === '' || path === ':memory:') {
    const { code, message } = optionInvalid('sqlite path', expected, path);
    throw new MaloteError(code, `${message}; for messages in memory use malote/memory`);
  }
  if (path.startsWith('file:') || path.includes('\0')) {
    throw optionInvalid('sqlite path', 'a plain path, not a URL', path);
  }
}

function findDirectory(absolute: string, path: string): string {
  try {
    const directory = realpathSync.native(dirname(absolute));
    if (statSync(directory).isDirectory()) return directory;
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw toMaloteError(error, `sqlite path "${path}"`);
  }
  const { code, message } = optionInvalid('sqlite path', 'in an existing directory', path);
  throw new MaloteError(code, `${message}; create "${dirname(absolute)}" first`);
}

/** Only for its owner, whatever the umask says; SQLite gives -wal and -shm the same mode. */
function makeFile(real: string): string {
  try {
    const descriptor = openSync(real, 'wx', 0o600);
    fchmodSync(descriptor, 0o600);
    closeSync(descriptor);
  } catch (error) {
    // Another process was faster; or the name is a link to nothing, which realpath reports.
    if (!hasCode(error, 'EEXIST')) throw error;
  }
  return realpathSync.native(real);
}

function checkFile(real: string, path: string): string {
  if (!statSync(real).isFile()) throw optionInvalid('sqlite path', 'a file', path);
  accessSync(real, constants.R_OK | constants.W_OK);
  accessSync(dirname(real), constants.W_OK | constants.X_OK);
  const kind = process.platform === 'linux' ? statfsSync(real).type : 0;
  const network = networkFileSystems.get(kind);
  if (network === undefined) return real;
  throw optionInvalid(
    'sqlite path',
    `on a local disk, where file locks hold (not ${network})`,
    path,
  );
}

function setUp(db: Connection, where: string, options: FileOptions): void {
  for (let tries = 1; ; tries++) {
    try {
      // Any first statement may meet a lock: of who makes the file, or recovers it after a crash.
      requireSqlite(String(first(db, 'select sqlite_version()')), options.driver.cure);
      if (options.create === 'never' && storedVersion(db, where, options) === 0)
        throw notThere(where, "have malote's tables");
      configure(db, where, options.durability);
      if (storedVersion(db, where, options) < options.migrations.length)
        migrate(db, where, options);
      break;
    } catch (error) {
      if (!isBusy(error) || tries === busyTries) throw error;
      // Not every lock is waited for by the driver, see `busy_timeout`.
      pause(tries);
    }
  }
  // From here on the event loop is never held: who meets a lock gives the turn back.
  db.exec('pragma busy_timeout = 0');
}

function configure(db: Connection, where: string, durability: 'full' | 'normal'): void {
  const mode = String(first(db, 'pragma journal_mode = wal'));
  if (mode !== 'wal') {
    throw new MaloteError(
      'ENGINE_FAILED',
      `${where} must take journal mode "wal", got "${mode}"; move it to a local disk`,
    );
  }
  // No size limit: a commit that cuts a large log takes 0.3 s. The checkpoint worker cuts it.
  db.exec(`
    pragma synchronous = ${durability};
    pragma cache_size = -65536;
    pragma temp_store = memory;
    pragma wal_autocheckpoint = ${autocheckpointPages};
    pragma journal_size_limit = -1;
  `);
}

/** How many migrations the file has seen; 0 for a file without malote's tables. */
function storedVersion(db: Connection, where: string, options: FileOptions): number {
  const known = options.migrations.length;
  if (first(db, `select 1 from sqlite_schema where name = 'ml_schema'`) === undefined) {
    refuseForeign(db, where);
    return 0;
  }
  const version = Number(first(db, 'select version from ml_schema') ?? 0);
  if (version <= known) return version;
  throw new MaloteError(
    'ENGINE_VERSION',
    `${where} must have malote's tables in version ${known} or older, got ${version}; ` +
      'a newer malote wrote them: update malote in this process',
  );
}

/**
 * A file marked by another program is that program's document, not a place for messages. Whoever
 * marks their own database says so by creating the table.
 */
function refuseForeign(db: Connection, where: string): void {
  const owner = Number(first(db, 'pragma application_id'));
  if (owner === 0 || owner === applicationId) return;
  throw new MaloteError(
    'OPTION_INVALID',
    `${where} must be malote's or your own, got one that another program marked ` +
      `(application_id ${owner}); give another path, or, if the program is yours, run ` +
      '"create table ml_schema(version integer not null)" in it',
  );
}

/** One transaction: a crash leaves the old version or the new one, and the others wait. */
function migrate(db: Connection, where: string, options: FileOptions): void {
  db.exec('begin immediate');
  try {
    // Another process may have migrated while this one waited for the lock.
    const version = storedVersion(db, where, options);
    const isEmpty = first(db, 'select 1 from sqlite_schema') === undefined;
    if (isEmpty) db.exec(`pragma application_id = ${applicationId}`);
    db.exec('create table if not exists ml_schema(version integer not null)');
    for (const statements of options.migrations.slice(version)) db.exec(statements);
    db.exec(`delete from ml_schema; insert into ml_schema values (${options.migrations.length})`);
    db.exec('commit');
  } catch (error) {
    if (db.isTransaction) db.exec('rollback');
    throw error;
  }
}

function first(db: Connection, sql: string): unknown {
  const row = db.prepare(sql).get() as object | undefined;
  return row === undefined ? undefined : Object.values(row)[0];
}

/** Sleeps: opening is synchronous, and other processes need the processor to finish. */
function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
