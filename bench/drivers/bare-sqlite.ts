/**
 * The raw limit of the design on SQLite without order: rows are only appended, a chunk of them is
 * claimed as a range, and its range is deleted once every message of it was acknowledged. No
 * retries, schemas, ids, time-outs, journal, and no lease that ends with its process.
 */

import type { Order } from '../load.ts';
import { fail, openBareFile } from './bare-file.ts';
import { openBareLanes } from './bare-lanes.ts';
import type { Driver, DriverOptions } from './driver.ts';

interface Chunk {
  readonly from: number;
  readonly to: number;
  open: number;
}

type Row = [id: number, body: string];

/** Ids are given in order and claimed in order; both have got as far as the one row of `place`. */
const tables = `
  CREATE TABLE IF NOT EXISTS message (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS chunk (low INTEGER PRIMARY KEY, high INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS place (
    one INTEGER PRIMARY KEY, stored INTEGER NOT NULL, claimed INTEGER NOT NULL
  );
  INSERT OR IGNORE INTO place (one, stored, claimed) VALUES (1, 0, 0);
`;

export async function openBareSqlite(options: DriverOptions): Promise<Driver> {
  return options.settings.keys > 0 ? openBareLanes(options) : openBareRanges(options);
}

function openBareRanges({ settings, place, handle }: DriverOptions): Driver {
  const { database, schedule, driver } = openBareFile(place, tables, work);
  const insert = database.prepare('INSERT INTO message (id, body) VALUES (?, ?)');
  const claim = database.prepare(
    'SELECT id, body FROM message WHERE id > ? ORDER BY id LIMIT 0 + ?',
  );
  claim.setReturnArrays(true);
  const lease = database.prepare('INSERT INTO chunk (low, high) VALUES (?, ?)');
  const remove = database.prepare('DELETE FROM message WHERE id BETWEEN ? AND ?');
  const release = database.prepare('DELETE FROM chunk WHERE low = ?');
  const places = database.prepare('SELECT stored, claimed FROM place');
  places.setReturnArrays(true);
  const move = database.prepare('UPDATE place SET stored = ?, claimed = ?');

  let finished: Chunk[] = [];
  let credit = 0;

  function work(stored: readonly Order[]): () => void {
    for (const { from, to } of finished) {
      remove.run(from, to);
      release.run(from);
    }
    finished = [];
    const [before, claimed] = places.get() as unknown as [number, number];
    let last = before;
    for (const order of stored) insert.run(++last, JSON.stringify(order));
    const rows = credit > 0 ? (claim.all(claimed, credit) as unknown as Row[]) : [];
    const chunk = chunkOf(rows);
    if (chunk !== null) lease.run(chunk.from, chunk.to);
    if (chunk !== null || stored.length > 0) move.run(last, chunk?.to ?? claimed);
    return () => {
      if (chunk !== null) hand(rows, chunk);
    };
  }

  function chunkOf(rows: readonly Row[]): Chunk | null {
    if (rows.length === 0) return null;
    return { from: rows[0]![0], to: rows.at(-1)![0], open: rows.length };
  }

  function hand(rows: readonly Row[], chunk: Chunk): void {
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

  return driver(() => {
    credit = settings.concurrency;
  });
}
