/**
 * The driver: the SQLite that is inside Node, looked up when it is needed, so that a Node without
 * it gets a sentence and not the stack of a loader.
 */

import type { DatabaseSync, DatabaseSyncOptions } from 'node:sqlite';
import type * as sqliteModule from 'node:sqlite';
import { MaloteError } from '../../errors.ts';

export function openConnection(path: string | URL, options: DatabaseSyncOptions): DatabaseSync {
  return new (loadDriver().DatabaseSync)(path, options);
}

/** @throws MaloteError `ENGINE_VERSION` where this Node has no SQLite */
export function loadDriver(): typeof sqliteModule {
  // Absent in the oldest versions, whatever its type says.
  const lookUp: typeof process.getBuiltinModule | undefined = process.getBuiltinModule;
  const driver = lookUp?.('node:sqlite');
  if (driver !== undefined) return driver;
  throw new MaloteError(
    'ENGINE_VERSION',
    `malote/sqlite needs Node 22.23.3, 24.21 or newer, this is ${process.version}`,
  );
}
