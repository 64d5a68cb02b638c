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
  return name === 'memory' ? memory() : sqlite(sqliteFile(name, 'memory or sqlite:path'));
}

/** The path in `sqlite:path`. Makes its folder, so that a first run needs no preparation. */
export function sqliteFile(name: string, expected = 'sqlite:path'): string {
  const path = /^sqlite:(.+)$/.exec(name)?.[1];
  if (path === undefined) {
    console.error(`MALOTE_ENGINE must be ${expected}, got "${name}"`);
    process.exit(2);
  }
  mkdirSync(dirname(path), { recursive: true });
  return path;
}
