/** Finds the driver of a name, when an engine is opened and in the checkpoint worker. */

import type { Driver, DriverName } from './driver.ts';
import { loadBetterSqlite3 } from './driver-better-sqlite3.ts';
import { nodeSqlite } from './driver-node.ts';

/**
 * @throws MaloteError `DRIVER_MISSING` where the package is not installed, `ENGINE_VERSION` where
 * this Node has no SQLite
 */
export function loadDriver(name: DriverName): Driver {
  return name === 'node:sqlite' ? nodeSqlite() : loadBetterSqlite3();
}
