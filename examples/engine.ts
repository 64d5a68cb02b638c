/**
 * The engine an example runs on, as `MALOTE_ENGINE` names it: `memory`, or `sqlite:` and the path
 * of a file. Messages and handlers are the same on each.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { BusOptions } from 'malote';
import { memory } from 'malote/memory';
import { sqlite } from 'malote/sqlite';

export function engineNamed(name: string): BusOptions<never>['engine'] {
  return name === 'memory' ? memory() : sqlite(sqliteFile(name));
}

/** The path in `sqlite:path`. Makes its folder, so that a first run needs no preparation. */
export function sqliteFile(name: string): string {
  const path = /^sqlite:(.+)$/.exec(name)?.[1];
  if (path === undefined) {
    throw new Error(`MALOTE_ENGINE must be "memory" or "sqlite:path", got "${name}"`);
  }
  mkdirSync(dirname(path), { recursive: true });
  return path;
}
