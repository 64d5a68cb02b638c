/**
 * The raw limit of the design on SQLite: rows are only appended, a chunk of them is claimed as a
 * range, and its range is deleted once every message of it was acknowledged. All of a turn is one
 * commit. No retries, schemas, ids, time-outs, journal or other processes.
 */

import { DatabaseSync } from 'node:sqlite';
import type { Order } from '../load.ts';
import type { Driver, DriverOptions } from './driver.ts';

interface Publishing {
  readonly body: string;
  readonly resolve: () => void;
}

interface Chunk {
  readonly from: number;
  readonly to: number;
  open: number;
}

export async function openBareSqlite({ settings, file, handle }: DriverOptions): Promise<Driver> {
  const database = new DatabaseSync(file);
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE message (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
    CREATE TABLE chunk (low INTEGER PRIMARY KEY, high INTEGER NOT NULL);
  `);
  const insert = database.prepare('INSERT INTO message (id, body) VALUES (?, ?)');
  const claim = database.prepare(
    'SELECT id, body FROM message WHERE id > ? ORDER BY id LIMIT 0 + ?',
  );
  claim.setReturnArrays(true);
  const lease = database.prepare('INSERT INTO chunk (low, high) VALUES (?, ?)');
  const remove = database.prepare('DELETE FROM message WHERE id BETWEEN ? AND ?');
  const release = database.prepare('DELETE FROM chunk WHERE low = ?');
  const begin = database.prepare('BEGIN IMMEDIATE');
  const commit = database.prepare('COMMIT');

  let publishing: Publishing[] = [];
  let finished: Chunk[] = [];
  let last = 0;
  let cursor = 0;
  let credit = 0;
  let scheduled = false;

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    setImmediate(turn);
  }

  function turn(): void {
    scheduled = false;
    const storing = publishing;
    publishing = [];
    begin.run();
    for (const { from, to } of finished) {
      remove.run(from, to);
      release.run(from);
    }
    finished = [];
    for (const { body } of storing) insert.run(++last, body);
    const rows = credit > 0 ? (claim.all(cursor, credit) as unknown as [number, string][]) : [];
    const chunk = chunkOf(rows);
    if (chunk !== null) lease.run(chunk.from, chunk.to);
    commit.run();
    for (const { resolve } of storing) resolve();
    if (chunk !== null) hand(rows, chunk);
  }

  function chunkOf(rows: readonly [number, string][]): Chunk | null {
    if (rows.length === 0) return null;
    const to = rows.at(-1)![0];
    return { from: rows[0]![0], to, open: rows.length };
  }

  function hand(rows: readonly [number, string][], chunk: Chunk): void {
    cursor = chunk.to;
    credit -= rows.length;
    for (const [, body] of rows) {
      handle(JSON.parse(body) as Order, 1).then(() => acknowledge(chunk), fail);
    }
  }

  function acknowledge(chunk: Chunk): void {
    credit += 1;
    chunk.open -= 1;
    if (chunk.open > 0) return;
    finished.push(chunk);
    schedule();
  }

  return {
    publish(order) {
      return new Promise<void>((resolve) => {
        publishing.push({ body: JSON.stringify(order), resolve });
        schedule();
      });
    },
    async start() {
      credit = settings.concurrency;
      schedule();
    },
    async held() {
      const [{ rows }] = database.prepare('SELECT count(*) AS rows FROM message').all() as [
        { rows: number },
      ];
      return rows;
    },
    async close() {
      database.close();
    },
    versions: { sqlite: process.versions['sqlite'] ?? 'unknown' },
  };
}

function fail(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
