/**
 * The package better-sqlite3, which brings an SQLite of its own, dressed as node:sqlite. Loaded
 * when it is needed; by the same name in every thread, so that all of them share one library.
 */

import { createRequire } from 'node:module';
import { MaloteError } from '../../errors.ts';
import type {
  BetterSqlite3Transaction,
  SqliteStatement,
  SqliteTransaction,
  SqliteValue,
} from './connection.ts';
import type { Connection, ConnectionStatement, Driver } from './driver.ts';

/** The parts of the package that are used; malote works without it and without its types. */
interface Database extends Omit<BetterSqlite3Transaction, 'prepare'> {
  prepare(sql: string): Statement;
  close(): unknown;
}

type Bound = SqliteValue | Readonly<Record<string, SqliteValue>>;

interface Statement {
  run(...values: readonly Bound[]): ReturnType<SqliteStatement['run']>;
  get(...values: readonly Bound[]): unknown;
  all(...values: readonly Bound[]): unknown[];
  /** Whether it answers rows. */
  readonly reader: boolean;
  raw(enabled: boolean): unknown;
  safeIntegers(enabled: boolean): unknown;
}

type Constructor = new (
  path: string,
  options: { readonly timeout: number; readonly fileMustExist: boolean },
) => Database;

const require = createRequire(import.meta.url);

let loaded: Driver | null = null;

/** @throws MaloteError `DRIVER_MISSING` */
export function loadBetterSqlite3(): Driver {
  // Once: whatever becomes of the cache of modules, a second copy would be a second library.
  loaded ??= driverOf(load());
  return loaded;
}

function driverOf(Database: Constructor): Driver {
  const dressed = new WeakMap<Database, Connection>();
  return {
    name: 'better-sqlite3',
    cure: 'use better-sqlite3 12.8.0 or newer',
    open: (path, { timeoutMs, create }) =>
      dress(new Database(path, { timeout: timeoutMs, fileMustExist: create === 'never' })),
    adopt(tx) {
      // One of another copy of the package has another SQLite too, whatever it looks like.
      if (!(tx instanceof Database)) return null;
      const known = dressed.get(tx) ?? dress(tx);
      dressed.set(tx, known);
      return known;
    },
    undress,
  };
}

function load(): Constructor {
  try {
    return require('better-sqlite3') as Constructor;
  } catch (cause) {
    throw new MaloteError(
      'DRIVER_MISSING',
      'malote/sqlite needs the "better-sqlite3" package for that driver; ' +
        'run "npm install better-sqlite3"',
      { cause },
    );
  }
}

function dress(db: Database): Connection {
  return {
    get isTransaction() {
      return db.inTransaction;
    },
    // Its name is what it was opened by, in the directory of that moment.
    location() {
      const list = db.prepare('pragma database_list');
      const rows = list.all() as { readonly name: string; readonly file: string }[];
      return rows.find(({ name }) => name === 'main')?.file ?? null;
    },
    exec: (sql) => db.exec(sql),
    prepare: (sql) => dressStatement(db.prepare(sql), sql),
    close: () => void db.close(),
  };
}

function dressStatement(statement: Statement, sql: string): ConnectionStatement {
  const { reader } = statement;
  const bind = hasNumbers(sql) ? byNumber : byPlace;
  return {
    run: (...values) => statement.run(...bind(values)),
    get: (...values) => statement.get(...bind(values)),
    all: (...values) => statement.all(...bind(values)),
    setReturnArrays(enabled) {
      // Refused by one that answers nothing.
      if (reader) statement.raw(enabled);
    },
    setReadBigInts: (enabled) => void statement.safeIntegers(enabled),
  };
}

const literals = /'[^']*'|"[^"]*"|`[^`]*`|\[[^\]]*\]|--[^\n]*|\/\*[^]*?\*\//g;

/** Whether parameters are numbered, `?1`: to the package those have names. */
function hasNumbers(sql: string): boolean {
  return /\?\d/.test(sql.replaceAll(literals, ''));
}

function byNumber(values: readonly SqliteValue[]): readonly Bound[] {
  return [Object.fromEntries(values.map((value, index) => [index + 1, value]))];
}

function byPlace(values: readonly SqliteValue[]): readonly Bound[] {
  return values;
}

function undress(tx: SqliteTransaction): BetterSqlite3Transaction {
  return {
    get inTransaction() {
      return tx.isTransaction;
    },
    get name() {
      return tx.location() ?? '';
    },
    exec: (sql) => tx.exec(sql),
    prepare: (sql) => tx.prepare(sql),
  };
}

/** Whether a connection is closed; the error has no code. */
export function isClosed(error: unknown): boolean {
  return error instanceof TypeError && error.message === 'The database connection is not open';
}

/** SQLite's code as the package names it, such as `SQLITE_IOERR_FSYNC`, as a number. */
export function numberOf(name: string): number | undefined {
  if (!name.startsWith('SQLITE_')) return undefined;
  const known = numbers.get(name);
  if (known !== undefined) return known;
  return numbers.get(name.split('_', 2).join('_')) ?? genericError;
}

/** Any other is an error of the statement. */
const genericError = 1;
/** By the names that make a difference here; an extended one has its primary one in front. */
const numbers: ReadonlyMap<string, number> = new Map([
  ['SQLITE_BUSY', 5],
  ['SQLITE_LOCKED', 6],
  ['SQLITE_NOMEM', 7],
  ['SQLITE_READONLY', 8],
  ['SQLITE_IOERR', 10],
  ['SQLITE_IOERR_NOMEM', 3082],
  ['SQLITE_IOERR_SHMSIZE', 4874],
  ['SQLITE_CORRUPT', 11],
  ['SQLITE_FULL', 13],
  ['SQLITE_CANTOPEN', 14],
  ['SQLITE_PROTOCOL', 15],
  ['SQLITE_CONSTRAINT', 19],
  ['SQLITE_FORMAT', 24],
  ['SQLITE_NOTADB', 26],
]);
