/**
 * `sqlite(path)`: the engine that lives in one file. No server, no native build; several processes
 * of one machine share it.
 */

import { optionInvalid } from '../../errors.ts';
import { checkNames, oneOf } from '../../message/checks.ts';
import type { Capabilities } from '../../transport/capabilities.ts';
import type { Engine } from '../../transport/transport.ts';
import type { BetterSqlite3Transaction, SqliteTransaction } from './connection.ts';
import { type CallerTransaction, driverNames } from './driver.ts';
import { addressOf } from './file.ts';
import { openTransport } from './open.ts';
import { maxBodyBytes } from './publish.ts';

export type {
  BetterSqlite3Transaction,
  SqliteStatement,
  SqliteTransaction,
  SqliteValue,
} from './connection.ts';

export interface SqliteOptions {
  /**
   * `full`: an accepted message survives power loss. `normal`: it survives the death of every
   * process, but power loss may take the last commits.
   * @defaultValue 'full'
   */
  readonly durability?: 'full' | 'normal';
  /**
   * Which SQLite library works on the file: the one inside Node, or that of the package
   * better-sqlite3 (12.8.0 or newer, `npm install better-sqlite3`). Connections that are passed as
   * `tx` must be of the same one, and nothing in the process may open the file with another.
   * @defaultValue 'node:sqlite'
   */
  readonly driver?: 'node:sqlite' | 'better-sqlite3';
}

/** The options that make `tx` a `Database` of better-sqlite3. */
interface BetterSqlite3Options extends SqliteOptions {
  readonly driver: 'better-sqlite3';
}

interface NodeSqliteOptions extends SqliteOptions {
  readonly driver?: 'node:sqlite';
}

/**
 * Messages in an SQLite file, created when it is not there.
 *
 * @throws MaloteError `OPTION_INVALID`, `OPTION_UNKNOWN`
 */
export function sqlite(
  path: string,
  options: BetterSqlite3Options,
): Engine<BetterSqlite3Transaction>;
export function sqlite(path: string, options?: NodeSqliteOptions): Engine<SqliteTransaction>;
export function sqlite(path: string, options: SqliteOptions = {}): Engine {
  return makeEngine(path, options);
}

function makeEngine(path: string, options: SqliteOptions): Engine<CallerTransaction> {
  if (typeof path !== 'string' || path === '') {
    throw optionInvalid('sqlite() path', 'the name of a file, such as "app.db"', path);
  }
  const { durability, driver } = checkOptions(options);
  const capabilities: Capabilities = {
    delivery: 'lanes',
    lease: 'timed',
    fencing: true,
    dedupe: true,
    atomicSettle: true,
    settlesForGood: true,
    survives: durability === 'full' ? 'power-loss' : 'process-crash',
    factsSurvive: durability === 'full' ? 'power-loss' : 'process-crash',
    keepsFacts: true,
    processes: 'many',
    transactions: true,
    coordination: true,
    maxBodyBytes,
    lookup: true,
    counts: 'exact',
  };
  return {
    name: 'sqlite',
    get address() {
      const library = driver === 'node:sqlite' ? '' : `${driver}:`;
      return `sqlite:${library}${addressOf(path)}`;
    },
    capabilities,
    open: (host) => openTransport({ path, durability, driver }, host),
    // Opening it looks at the file already.
    examine: async () => [],
  };
}

const known = ['durability', 'driver'];

function checkOptions(options: SqliteOptions): Required<SqliteOptions> {
  checkNames('sqlite()', options, known);
  const { durability = 'full', driver = 'node:sqlite' } = options;
  return {
    durability: oneOf('sqlite() durability', durability, ['full', 'normal']),
    driver: oneOf('sqlite() driver', driver, driverNames),
  };
}
