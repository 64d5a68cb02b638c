/**
 * The SQLite that is inside Node, looked up when it is needed, so that a Node without it gets a
 * sentence and not the stack of a loader.
 */

import type * as sqliteModule from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { MaloteError } from '../../errors.ts';
import type { Connection, Driver } from './driver.ts';

/** @throws MaloteError `ENGINE_VERSION` where this Node has no SQLite */
export function nodeSqlite(): Driver {
  const { DatabaseSync } = lookUp();
  return {
    name: 'node:sqlite',
    cure: 'use Node.js 22.23.3, 24.21 or newer',
    open(path, { timeoutMs, create }) {
      const url = pathToFileURL(path);
      url.searchParams.set('mode', 'rw');
      return new DatabaseSync(create === 'never' ? url : path, { timeout: timeoutMs });
    },
    // What behaves like one will do.
    adopt: (tx) => (hasFace(tx) ? tx : null),
    undress: (tx) => tx,
  };
}

function lookUp(): typeof sqliteModule {
  // Absent in the oldest versions, whatever its type says.
  const builtIn: typeof process.getBuiltinModule | undefined = process.getBuiltinModule;
  const driver = builtIn?.('node:sqlite');
  if (driver !== undefined) return driver;
  throw new MaloteError(
    'ENGINE_VERSION',
    `malote/sqlite needs Node 22.23.3, 24.21 or newer, this is ${process.version}`,
  );
}

const methods = ['exec', 'prepare', 'location'] as const;

function hasFace(tx: object): tx is Connection {
  // A closed connection throws where it is asked whether a transaction is open.
  return (
    'isTransaction' in tx && methods.every((name) => typeof Reflect.get(tx, name) === 'function')
  );
}
