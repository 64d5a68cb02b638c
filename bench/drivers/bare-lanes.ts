/**
 * The raw limit of the design on SQLite with order: one row per key that has messages is its lease
 * and says how old its head is. The oldest lanes that nobody holds are claimed, each with its share
 * of the credit, and run one message after another; a lane is given back with its next head, or
 * goes with its last message. Nothing else: see `bare-sqlite.ts`.
 */

import type { Order } from '../load.ts';
import { fail, openBareFile } from './bare-file.ts';
import type { Driver, DriverOptions } from './driver.ts';

interface Run {
  readonly key: string;
  readonly last: number;
  readonly bodies: readonly string[];
}

const tables = `
  CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, body TEXT NOT NULL
  );
  CREATE INDEX IF NOT EXISTS place ON message (key, id);
  CREATE TABLE IF NOT EXISTS lane (
    key TEXT PRIMARY KEY, head INTEGER NOT NULL, leased INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS free ON lane (head) WHERE leased = 0;
`;

export function openBareLanes({ settings, place, handle }: DriverOptions): Driver {
  const { database, schedule, driver } = openBareFile(place, tables, work);
  const insert = database.prepare('INSERT INTO message (key, body) VALUES (?, ?)');
  const open = database.prepare(
    'INSERT INTO lane (key, head, leased) VALUES (?, ?, 0) ON CONFLICT DO NOTHING',
  );
  const free = database.prepare('SELECT key FROM lane WHERE leased = 0 ORDER BY head LIMIT 0 + ?');
  const lease = database.prepare('UPDATE lane SET leased = 1 WHERE key = ?');
  const claim = database.prepare(
    'SELECT id, body FROM message WHERE key = ? ORDER BY id LIMIT 0 + ?',
  );
  const remove = database.prepare('DELETE FROM message WHERE key = ? AND id <= ?');
  const next = database.prepare('SELECT min(id) FROM message WHERE key = ?');
  const giveBack = database.prepare('UPDATE lane SET head = ?, leased = 0 WHERE key = ?');
  const end = database.prepare('DELETE FROM lane WHERE key = ?');
  for (const statement of [free, claim, next]) statement.setReturnArrays(true);

  let finished: Run[] = [];
  let credit = 0;

  function work(stored: readonly Order[]): () => void {
    for (const run of finished) settle(run);
    finished = [];
    for (const order of stored) {
      const { lastInsertRowid } = insert.run(order.key, JSON.stringify(order));
      open.run(order.key, lastInsertRowid);
    }
    const runs = credit > 0 ? claimed() : [];
    return () => {
      for (const run of runs) void handleAll(run).catch(fail);
    };
  }

  function settle({ key, last }: Run): void {
    remove.run(key, last);
    const [head] = next.get(key) as unknown as [number | null];
    if (head === null) end.run(key);
    else giveBack.run(head, key);
  }

  function claimed(): Run[] {
    const keys = free.all(credit) as unknown as [string][];
    const share = Math.ceil(credit / keys.length);
    return keys.map(([key]) => {
      lease.run(key);
      const rows = claim.all(key, share) as unknown as [number, string][];
      credit -= rows.length;
      return { key, last: rows.at(-1)![0], bodies: rows.map(([, body]) => body) };
    });
  }

  async function handleAll(run: Run): Promise<void> {
    for (const body of run.bodies) {
      await handle(JSON.parse(body) as Order, 1);
      credit += 1;
    }
    finished.push(run);
    schedule();
  }

  return driver(() => {
    credit = settings.concurrency;
  });
}
