/** What the file adds to the contract of locks and caches: lost rings, clocks, its size. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, test } from 'vitest';
import { settleTurns, virtualClock } from '../../testing/virtual-clock.ts';
import type { Clock } from '../../clock.ts';
import type { Coordination, Hold, Result } from '../../transport/coordination.ts';
import type { Transport } from '../../transport/transport.ts';
import { openSqlite } from '../../../test/support/open-sqlite.ts';

let folder: string;
let file: string;
let open: Transport[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'malote-slots-'));
  file = join(folder, 'malote.db');
  open = [];
});
afterEach(async () => {
  for (const transport of open) await transport.close();
  rmSync(folder, { recursive: true });
});

async function connect(clock: Clock): Promise<Coordination> {
  const transport = await openSqlite(file, clock);
  open.push(transport);
  return transport.coordination!;
}

const slot = { space: 'cache:rates', key: 'EUR' };
const asked = { slot, leaseMs: 60_000, waitMs: 60_000, signal: null };
const value: Result = {
  kind: 'entry',
  value: '1',
  freshMs: 1_000,
  keptMs: 1_000,
  mostEntries: 1_000,
};

async function hold(by: Coordination, key = slot.key, leaseMs = 60_000): Promise<Hold> {
  const acquired = await by.acquire({ ...asked, slot: { ...slot, key }, leaseMs, waitMs: 0 });
  assert.ok(acquired.kind === 'held');
  return acquired.hold;
}

test('who waits is woken although every ring is lost', async () => {
  const clock = virtualClock();
  // Where the doorbell would hang there is a file, so that nobody can ring.
  writeFileSync(`${file}.bell`, '');
  const [one, two] = [await connect(clock), await connect(clock)];
  const held = await hold(one);
  let kind = 'waiting';
  const waiting = two.acquire(asked).then((acquired) => (kind = acquired.kind));
  await settleTurns();

  await one.release(held);
  await settleTurns();
  assert.equal(kind, 'waiting');
  await clock.advance(100);
  await settleTurns();

  assert.equal(kind, 'held');
  await waiting;
});

test('a clock that is set forward ends no lock of a process that lives', async () => {
  const clock = virtualClock();
  let jumpMs = 0;
  const jumping: Clock = { ...clock, now: () => clock.now() + jumpMs };
  const [one, two] = [await connect(jumping), await connect(jumping)];
  const held = await hold(one);
  await clock.advance(1_000);

  jumpMs = 3_600_000;
  await clock.advance(1_000);

  assert.equal((await two.acquire({ ...asked, waitMs: 0 })).kind, 'timed-out');
  assert.equal(await one.extend(held, 60_000), true);
  await clock.advance(30_000);
  assert.equal((await two.acquire({ ...asked, waitMs: 0 })).kind, 'timed-out');
});

test('a clock that is set back keeps no value for longer', async () => {
  const clock = virtualClock();
  let jumpMs = 0;
  const jumping: Clock = { ...clock, now: () => clock.now() + jumpMs };
  const one = await connect(jumping);
  await one.put(await hold(one), value);

  jumpMs = -3_600_000;
  const late = await connect(jumping);
  await clock.advance(1_200);

  assert.equal((await late.read(slot)).entry, null);
});

test('what is over leaves the file by itself, entries and holds', async () => {
  const clock = virtualClock();
  const one = await connect(clock);
  const keys = Array.from({ length: 300 }, (_, index) => `key ${index}`);
  for (const key of keys) await one.put(await hold(one, key), value);
  for (const key of keys) await hold(one, `${key}, held`, 2_000);
  const rows = new DatabaseSync(file);
  const count = (table: string): unknown =>
    Object.values(rows.prepare(`select count(*) from ${table}`).get()!)[0];
  const counted = (): unknown =>
    Object.values(rows.prepare('select entries from ml_space').get()!)[0];
  assert.deepEqual([count('ml_entry'), counted(), count('ml_hold')], [300, 300, 300]);

  await clock.advance('12s');

  assert.deepEqual([count('ml_entry'), counted(), count('ml_hold')], [0, 0, 0]);
  rows.close();
});
