/** Whose connection a `tx` is: only one of malote's own SQLite library may write the file. */

import { MaloteError, optionInvalid } from '../../errors.ts';
import type { Connection, Driver } from './driver.ts';
import { isStage } from './stage.ts';

/** @throws MaloteError `OPTION_INVALID`, `ENGINE_MISMATCH`, `TRANSACTION_REQUIRED` */
export function adopt(tx: unknown, driver: Driver, where: string): Connection {
  if (typeof tx !== 'object' || tx === null) throw notOne(tx, driver, where);
  if (isStage(tx)) throw insideItself(where);
  const connection = driver.adopt(tx);
  if (connection !== null) return connection;
  throw isOfOther(tx, driver) ? otherLibrary(tx, driver, where) : notOne(tx, driver, where);
}

/** Half a connection of the driver's own library is none of another. */
function isOfOther(tx: object, { name }: Driver): boolean {
  return 'inTransaction' in tx || (name === 'better-sqlite3' && 'isTransaction' in tx);
}

function notOne(tx: unknown, { name }: Driver, where: string): MaloteError {
  const kind = name === 'node:sqlite' ? 'a DatabaseSync of node:sqlite' : `a Database of ${name}`;
  return optionInvalid('publish: tx', `${kind} on the ${where}, in a transaction`, tx);
}

/**
 * Locks of a file belong to the process: two libraries in one do not see each other's, and may
 * damage the file that both write.
 */
function otherLibrary(tx: object, { name }: Driver, where: string): MaloteError {
  const its = 'inTransaction' in tx ? 'better-sqlite3' : 'node:sqlite';
  const [got, cure] =
    its === name
      ? [`another copy of ${name}`, 'install it once']
      : [its, `open it with ${name}, or make the engine with driver: "${its}"`];
  return new MaloteError(
    'ENGINE_MISMATCH',
    `publish: tx must be a connection of ${name} to the ${where}, got one of ${got}; ` +
      "two SQLite libraries in one process break each other's locks, see " +
      `https://sqlite.org/howtocorrupt.html: ${cure}`,
  );
}

function insideItself(where: string): MaloteError {
  return new MaloteError(
    'TRANSACTION_REQUIRED',
    `tx must be a transaction of the caller's own on the ${where}, got one of malote's; ` +
      'use the publish that came with it',
  );
}
