/** Facts of a file as others follow them: by ring, by poll, and behind the end of the log. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, test } from 'vitest';
import { settleTurns, virtualClock, type VirtualClock } from '../../testing/virtual-clock.ts';
import type { Facts } from '../../transport/facts.ts';
import type { Transport } from '../../transport/transport.ts';
import { openSqlite } from '../../../test/support/open-sqlite.ts';

let folder: string;
let file: string;
let clock: VirtualClock;
let open: Transport[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'malote-facts-'));
  file = join(folder, 'malote.db');
  clock = virtualClock();
  open = [];
});
afterEach(async () => {
  for (const transport of open) await transport.close();
  rmSync(folder, { recursive: true });
});

async function connect(): Promise<Facts> {
  const transport = await openSqlite(file, clock);
  open.push(transport);
  return transport.facts!;
}

function follow(facts: Facts) {
  const told: string[] = [];
  let missed = 0;
  const following = facts.follow({
    told: (changes) => void told.push(...changes.map(({ fact, state }) => `${fact} ${state}`)),
    missed: () => void (missed += 1),
  });
  return { following, told, missed: () => missed };
}

const fulfilled = (fact: string) => ({ fact, state: 'fulfilled' }) as const;
const revoked = (fact: string) => ({ fact, state: 'revoked' }) as const;

test('an answer says how a fact stands now, behind the changes before it', async () => {
  const [one, two] = [await connect(), await connect()];
  await two.mark([fulfilled('before:1')]);
  const { following, told } = follow(one);
  await following.ask(['before:1', 'never:1']);
  await two.mark([fulfilled('a:1'), fulfilled('a:1'), revoked('b:1'), revoked('before:1')]);
  await following.ask(['a:1']);

  assert.deepEqual(told, [
    'before:1 fulfilled',
    'never:1 revoked',
    'a:1 fulfilled',
    'before:1 revoked',
    'a:1 fulfilled',
  ]);
});

test('a change is told although every ring is lost, and to its own process before it is answered', async () => {
  // Where the doorbell would hang there is a file, so that nobody can ring.
  writeFileSync(`${file}.bell`, '');
  const [one, two] = [await connect(), await connect()];
  const [here, there] = [follow(one), follow(two)];
  await Promise.all([here.following.ask([]), there.following.ask([])]);

  await one.mark([fulfilled('a:1')]);
  assert.deepEqual(here.told, ['a:1 fulfilled']);
  assert.deepEqual(there.told, []);
  await clock.advance(100);
  await settleTurns();
  assert.deepEqual(there.told, ['a:1 fulfilled']);

  there.following.stop();
  await one.mark([revoked('a:1')]);
  await clock.advance(200);
  await settleTurns();
  assert.deepEqual(there.told, ['a:1 fulfilled']);
});

test('who was away for longer than the log reaches is told so, and the log stays short', async () => {
  // Nobody rings, and time stands still: the one that follows does not look by itself.
  writeFileSync(`${file}.bell`, '');
  const [one, two] = [await connect(), await connect()];
  const { following, told, missed } = follow(one);
  await following.ask([]);
  for (let round = 0; round < 24; round++) {
    await two.mark(Array.from({ length: 1_000 }, (_, index) => fulfilled(`${round}:${index}`)));
  }
  await following.ask(['23:999']);

  assert.ok(missed() > 0);
  assert.equal(told.at(-1), '23:999 fulfilled');
  const db = new DatabaseSync(file, { readOnly: true });
  const { rows } = db.prepare('select count(*) as rows from ml_fact_change').get()!;
  db.close();
  assert.ok(Number(rows) >= 20_000 && Number(rows) < 20_300, String(rows));
});

test('a file that nobody follows has no log', async () => {
  const one = await connect();
  await one.mark([fulfilled('a:1'), revoked('a:1')]);
  const db = new DatabaseSync(file, { readOnly: true });
  const { rows } = db.prepare('select count(*) as rows from ml_fact_change').get()!;
  db.close();
  assert.equal(rows, 0);
});
