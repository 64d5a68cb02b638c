/**
 * What the bare loops on SQLite have in common: all that happens in one turn of the event loop is
 * one commit at full durability, and another process on the same file is seen by asking SQLite
 * whether the file changed.
 */

import { DatabaseSync } from 'node:sqlite';
import type { Order } from '../load.ts';
import type { Driver } from './driver.ts';

/** What a loop does in a turn; the function it answers hands out what was claimed. */
export type Work = (stored: readonly Order[]) => () => void;

export interface BareFile {
  readonly database: DatabaseSync;
  /** Something happened that a turn has to write down. */
  schedule(): void;
  driver(start: () => void): Driver;
}

interface Publishing {
  readonly order: Order;
  readonly resolve: () => void;
}

/** How long another process may take to create the tables. */
const openMs = 5_000;
/** As often as a timer can: an idle process finds what another one published. */
const lookMs = 1;
const busy = 5;

export function openBareFile(place: string, tables: string, work: Work): BareFile {
  const database = new DatabaseSync(place, { timeout: openMs });
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; ${tables}`);
  // From here on a turn that finds the file taken comes again, as waiting would block the loop.
  database.exec('PRAGMA busy_timeout = 0');
  const begin = database.prepare('BEGIN IMMEDIATE');
  const commit = database.prepare('COMMIT');
  const changes = database.prepare('PRAGMA data_version');
  changes.setReturnArrays(true);
  const count = database.prepare('SELECT count(*) FROM message');
  count.setReturnArrays(true);

  let publishing: Publishing[] = [];
  let scheduled = false;
  let version = changesSeen();
  let looking: ReturnType<typeof setInterval> | undefined;

  function changesSeen(): number {
    return (changes.get() as unknown as [number])[0];
  }

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    setImmediate(turn);
  }

  function turn(): void {
    scheduled = false;
    if (!database.isOpen) return;
    if (!begun()) return schedule();
    const storing = publishing;
    publishing = [];
    const handOut = work(storing.map(({ order }) => order));
    commit.run();
    for (const { resolve } of storing) resolve();
    handOut();
  }

  function begun(): boolean {
    try {
      begin.run();
      return true;
    } catch (error) {
      if ((error as { errcode?: number }).errcode === busy) return false;
      throw error;
    }
  }

  /** Own commits do not count as changes. */
  function look(): void {
    const seen = changesSeen();
    if (seen === version) return;
    version = seen;
    schedule();
  }

  return {
    database,
    schedule,
    driver: (start) => ({
      publish: (order) =>
        new Promise<void>((resolve) => {
          publishing.push({ order, resolve });
          schedule();
        }),
      async start() {
        start();
        looking = setInterval(look, lookMs);
        schedule();
      },
      held: async () => (count.get() as unknown as [number])[0],
      async close() {
        clearInterval(looking);
        database.close();
      },
      versions: { sqlite: process.versions['sqlite'] ?? 'unknown' },
    }),
  };
}

export function fail(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
