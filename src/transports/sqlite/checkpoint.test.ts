/**
 * The log stays near its cap whatever the writers do, and nobody is kept waiting or alive for it.
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, test } from 'vitest';
import { type Clock, systemClock, type Timer } from '../../clock.ts';
import { type Checkpoints, openHelper, startCheckpoints } from './checkpoint.ts';
import type { Connection } from './driver.ts';
import { isBusy } from './driver-errors.ts';
import { nodeSqlite } from './driver-node.ts';
import { openFile } from './file.ts';

const mebibyte = 2 ** 20;
const capBytes = 2 * mebibyte;
/** Writing goes on while a checkpoint runs and while a thread starts, so caps are overrun. */
const boundBytes = 24 * mebibyte;
const migrations = ['create table ml_row(id integer primary key, body)'];

let directory: string;
const driver = nodeSqlite();
let path: string;
let db: Connection;
let running: Checkpoints[];
let children: ChildProcess[];
let written = 0;

beforeEach(() => {
  directory = mkdtempSync(join(realpathSync(tmpdir()), 'malote-checkpoint-'));
  path = join(directory, 'app.db');
  ({ db } = openFile(path, { driver, durability: 'full', migrations }));
  running = [];
  children = [];
});

afterEach(async () => {
  await Promise.all(running.map((checkpoints) => checkpoints.stop()));
  for (const child of children) child.kill('SIGKILL');
  if ((db as DatabaseSync).isOpen) db.close();
  rmSync(directory, { recursive: true });
});

function start(clock: Clock = systemClock): Checkpoints {
  const checkpoints = startCheckpoints({ path, driver, clock, capBytes });
  running.push(checkpoints);
  return checkpoints;
}

/** One transaction of about 40 KiB of log. */
function write(checkpoints: Checkpoints): void {
  checkpoints.begin(db);
  written = (written + 1) % 50;
  db.exec(`replace into ml_row values (${written}, zeroblob(40000))`);
  db.exec('commit');
}

/** Writes until something holds; each turn is a transaction, so the wait has an end. */
async function writeUntil(checkpoints: Checkpoints, holds: () => boolean): Promise<number> {
  let largest = 0;
  for (let turn = 0; turn < 20_000; turn++) {
    await nextTurn();
    try {
      write(checkpoints);
    } catch (error) {
      if (!isBusy(error)) throw error;
    }
    largest = Math.max(largest, checkpoints.walBytes());
    if (holds()) return largest;
  }
  throw new Error(`it did not come to hold in ${largest / mebibyte} MiB of log`);
}

describe('the log', () => {
  test('starts over near the cap while one process writes without a pause', async () => {
    const checkpoints = start();
    let transactions = 0;

    const largest = await writeUntil(checkpoints, () => ++transactions === 1_000);

    assert.ok(largest < boundBytes, `${largest / mebibyte} MiB of log`);
    assert.equal(checkpoints.problem(), null);
  });

  test.each([
    ['with a thread for checkpoints', []],
    ['where threads are forbidden', ['--permission', '--allow-fs-read=*', '--allow-fs-write=*']],
  ])('stays near the cap between two busy processes, %s', async (_name, flags) => {
    const results = await Promise.all([writeInChild(flags), writeInChild(flags)]);

    for (const { largest, problem, rows } of results) {
      assert.ok(largest < boundBytes, `${largest / mebibyte} MiB of log`);
      assert.equal(problem !== null, flags.length > 0, String(problem));
      assert.equal(rows, 50);
    }
  });

  test('grows behind a reader, and is cut when the reader has gone', async () => {
    const checkpoints = start();
    const reader = new DatabaseSync(path);
    reader.exec('begin; select count(*) from ml_row');
    await writeUntil(checkpoints, () => checkpoints.walBytes() > 5 * capBytes);

    reader.exec('commit');
    await writeUntil(checkpoints, () => checkpoints.walBytes() < 4 * capBytes);

    reader.close();
    assert.equal(checkpoints.problem(), null);
  });
});

describe('a transaction', () => {
  test('that meets a lock is refused as by the driver, and leaves none open', () => {
    const checkpoints = start();
    const other = new DatabaseSync(path);
    other.exec('begin immediate');

    assert.throws(() => checkpoints.begin(db), isBusy);
    assert.equal(db.isTransaction, false);

    other.exec('rollback');
    other.close();
    write(checkpoints);
    assert.equal(db.isTransaction, false);
  });

  test('begins as ever when the checkpoints have been stopped', async () => {
    const checkpoints = start();
    await writeUntil(checkpoints, () => checkpoints.walBytes() > 2 * mebibyte);
    await checkpoints.stop();

    write(checkpoints);

    assert.equal(checkpoints.problem(), null);
  });

  test('arms one timer for all that follow until it fires', () => {
    const timers: (() => void)[] = [];
    const timer: Timer = { cancel: () => undefined, unref: () => timer };
    const setTimer = (run: () => void): Timer => {
      timers.push(run);
      return timer;
    };
    const checkpoints = start({ now: () => 0, monotonic: () => 0, setTimer });

    for (let turn = 0; turn < 3; turn++) write(checkpoints);
    assert.equal(timers.length, 1);

    timers[0]!();
    for (let turn = 0; turn < 3; turn++) write(checkpoints);
    assert.equal(timers.length, 2);
  });
});

test('stopping closes the connections, so that the last one removes the log', async () => {
  const checkpoints = start();
  let transactions = 0;
  await writeUntil(checkpoints, () => ++transactions === 1_000);

  await checkpoints.stop();
  db.close();

  assert.equal(existsSync(`${path}-wal`), false);
});

test.each([
  ['never stops', ''],
  ['has stopped', 'await checkpoints.stop(); db.close();'],
])('a process that %s its checkpoints ends', async (_name, end) => {
  const child = inChild(`for (let turn = 0; turn < 200; turn++) await write(turn); ${end}`);

  assert.deepEqual(await once(child, 'exit'), [0, null]);
});

test('a file that is gone is not made anew', () => {
  const missing = join(directory, 'missing.db');

  assert.throws(() => openHelper(missing, driver), /unable to open/);
  assert.equal(existsSync(missing), false);
});

interface Written {
  readonly largest: number;
  readonly problem: string | null;
  readonly rows: number;
}

/** 24 MiB of log without a pause. */
async function writeInChild(flags: readonly string[]): Promise<Written> {
  const child = inChild(
    `
      let largest = 0;
      for (let turn = 0; turn < 600; turn++) {
        await write(turn);
        largest = Math.max(largest, checkpoints.walBytes());
      }
      const { rows } = db.prepare('select count(*) rows from ml_row').get();
      const problem = checkpoints.problem()?.message ?? null;
      console.log(JSON.stringify({ largest, rows, problem }));
      process.exit();
    `,
    flags,
  );
  let output = '';
  child.stdout?.on('data', (chunk) => (output += String(chunk)));
  const [code] = await once(child, 'close');
  assert.equal(code, 0);
  return JSON.parse(output) as Written;
}

function inChild(body: string, flags: readonly string[] = []): ChildProcess {
  const script = `
    const { path, migrations, capBytes, modules } = JSON.parse(process.argv[1]);
    const [{ openFile }, { startCheckpoints }, { systemClock }, { nodeSqlite }] =
      await Promise.all(modules.map((name) => import(name)));
    const driver = nodeSqlite();
    const { db } = openFile(path, { driver, durability: 'full', migrations });
    const checkpoints = startCheckpoints({ path, driver, clock: systemClock, capBytes });
    const replace = db.prepare('replace into ml_row values (?, zeroblob(40000))');
    async function write(turn) {
      for (;;) {
        await new Promise((resolve) => setImmediate(resolve));
        try {
          checkpoints.begin(db);
          break;
        } catch (error) {
          if (error.errcode !== 5) throw error;
        }
      }
      replace.run(turn % 50);
      db.exec('commit');
    }
    ${body}`;
  const modules = ['file.ts', 'checkpoint.ts', '../../clock.ts', 'driver-node.ts'].map(
    (name) => new URL(name, import.meta.url).href,
  );
  const given = JSON.stringify({ path, migrations, capBytes, modules });
  const child = spawn(process.execPath, [...flags, '--input-type=module', '-e', script, given], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  return child;
}
