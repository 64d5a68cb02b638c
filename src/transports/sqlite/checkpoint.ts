/**
 * Keeps the write-ahead log short while processes write at full rate.
 *
 *     worker: every 20 ms in which this process wrote
 *       log grew by 4 MiB    → passive checkpoint (stops nobody)
 *       log above the cap    → passive until little is left, then asks the main thread
 *     main, at its next transaction, when asked
 *       begin, passive checkpoint on a second connection, roll back, begin again
 *
 * The log starts over from its beginning only when a writer begins at an instant at which all of
 * it is in the database. Under load that instant exists only while somebody holds the write lock
 * and writes nothing; and the write lock is got only by those who compete for it all the time, the
 * transactions. Figures and what was rejected: docs/decisions/0002-wal-cap.md.
 *
 * Without the worker (a bundler lost its file, threads are forbidden) the main thread does all of
 * it: the log stays capped, single turns take longer.
 */
import { statSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { Clock, Timer } from '../../clock.ts';
import type { MaloteError } from '../../errors.ts';
import type { SqliteStatement } from './connection.ts';
import type { Connection, Driver, DriverName } from './driver.ts';
import { isBusy, toMaloteError } from './driver-errors.ts';

export interface CheckpointOptions {
  /** The real path of the database. */
  readonly path: string;
  readonly driver: Driver;
  readonly clock: Clock;
  /**
   * Above this the log is made to start over; what is committed meanwhile comes on top.
   * @defaultValue 32 MiB
   */
  readonly capBytes?: number;
}

export interface Checkpoints {
  /**
   * `begin immediate`, and what the log needs at that instant. For every transaction that writes.
   * Throws what the driver throws; then no transaction is open.
   */
  begin(db: Connection): void;
  /** Resolves when the worker has closed its connection. */
  stop(): Promise<void>;
  /** The size of the log file. It keeps the size it once had until the log starts over. */
  walBytes(): number;
  /** Why the worker is missing, or the last checkpoint failed; null while all is well. */
  problem(): MaloteError | null;
}

/** What the worker is given. */
export interface CheckpointWork {
  readonly path: string;
  readonly driver: DriverName;
  /** Shared memory, see {@link slot}. */
  readonly state: Int32Array<SharedArrayBuffer>;
  readonly capBytes: number;
}

/** The places in the shared memory: a counter of wakes, and two flags. */
export const slot = { wakes: 0, isAsked: 1, isStopped: 2 } as const;

/** Answers a log's length in frames, and how many of them are in the database. Costs 1 µs. */
export const lookAtLog = 'pragma wal_checkpoint(noop)';
/** What precedes each page in the log. */
export const frameHeaderBytes = 24;

const defaultCapBytes = 32 * 2 ** 20;
const everyMs = 20;
/** Milliseconds that a transaction waits for a checkpoint of another process to end. */
const busyTries = 10;
/** A log below this needs no worker; most programs that only publish never reach it. */
const workerFromBytes = 2 ** 20;

export function startCheckpoints(options: CheckpointOptions): Checkpoints {
  const { path, driver, clock, capBytes = defaultCapBytes } = options;
  const state = new Int32Array(new SharedArrayBuffer(4 * Object.keys(slot).length));
  let timer: Timer | undefined;
  let worker: Worker | 'none' | 'failed' = 'none';
  let ended: Promise<void> = Promise.resolve();
  let starter: Starter | undefined;
  let finisher: Finisher | undefined;
  let problem: MaloteError | null = null;
  let stopped = false;

  function fail(error: unknown): void {
    problem = toMaloteError(error, `checkpoint of "${path}"`);
  }

  function wake(): void {
    timer = undefined;
    if (worker === 'none' && fileBytes(`${path}-wal`) > workerFromBytes) start();
    if (worker === 'failed') Atomics.store(state, slot.isAsked, 1);
    Atomics.add(state, slot.wakes, 1);
    Atomics.notify(state, slot.wakes);
  }

  function start(): void {
    const work: CheckpointWork = { path, driver: driver.name, state, capBytes };
    try {
      const started = new Worker(workerFile(), { workerData: work, execArgv: [] });
      worker = started;
      ended = new Promise((resolve) => {
        started.once('exit', () => resolve());
      });
      started.on('error', (error) => {
        worker = 'failed';
        fail(error);
      });
      started.unref();
    } catch (error) {
      worker = 'failed';
      fail(error);
    }
  }

  /** Under the write lock: answers whether the next writer can start the log over. */
  function finish(): boolean {
    try {
      finisher ??= createFinisher(openHelper(path, driver), capBytes);
      const outcome = finisher.finish();
      if (worker !== 'failed') problem = null;
      if (outcome !== 'busy') Atomics.store(state, slot.isAsked, 0);
      return outcome === 'complete';
    } catch (error) {
      Atomics.store(state, slot.isAsked, 0);
      if (!isBusy(error)) fail(error);
      return false;
    }
  }

  return {
    begin(db) {
      if (starter?.db !== db) starter = createStarter(db);
      starter.begin();
      if (!stopped) timer ??= clock.setTimer(wake, everyMs).unref();
      if (stopped || Atomics.load(state, slot.isAsked) === 0 || !finish()) return;
      // This transaction began before the checkpoint ended; only a new one starts the log over.
      starter.rollback();
      starter.begin();
    },
    stop() {
      if (stopped) return ended;
      stopped = true;
      timer?.cancel();
      // Whoever waits for the end must live to see it.
      if (worker instanceof Worker) worker.ref();
      Atomics.store(state, slot.isStopped, 1);
      finisher?.close();
      Atomics.add(state, slot.wakes, 1);
      Atomics.notify(state, slot.wakes);
      return ended;
    },
    walBytes: () => fileBytes(`${path}-wal`),
    problem: () => problem,
  };
}

interface Starter {
  readonly db: Connection;
  begin(): void;
  rollback(): void;
}

function createStarter(db: Connection): Starter {
  // SQLite's own checkpoints follow a commit, when the next process has the write lock already:
  // each would be in the way of the other's for ever, once the log is longer than its limit.
  db.exec('pragma wal_autocheckpoint = 0');
  const begin = db.prepare('begin immediate');
  const rollback = db.prepare('rollback');
  return { db, begin: () => begin.run(), rollback: () => rollback.run() };
}

interface Finisher {
  /** `busy`: another process is at it. `partial`: a reader is in the way, or nothing is to do. */
  finish(): 'busy' | 'partial' | 'complete';
  close(): void;
}

/** The main thread's part, on a connection of its own: one in a transaction cannot checkpoint. */
function createFinisher(db: Connection, capBytes: number): Finisher {
  const look = rowsOf(db.prepare(lookAtLog));
  const passive = rowsOf(db.prepare('pragma wal_checkpoint(passive)'));
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  const capFrames = capBytes / (pageBytes(db) + frameHeaderBytes);
  return {
    finish() {
      const [, length = 0] = look();
      // Another process may have been faster.
      if (length < capFrames) return 'partial';
      // Nobody can commit now, so whoever checkpoints at the moment is the last one to.
      for (let tries = 1; ; tries++) {
        const [busy, frames, copied] = passive();
        if (busy === 0) return frames === copied ? 'complete' : 'partial';
        if (tries === busyTries) return 'busy';
        Atomics.wait(sleeper, 0, 0, 1);
      }
    },
    close: () => db.close(),
  };
}

/** A connection for checkpoints only. A file that is gone is not made anew. */
export function openHelper(path: string, driver: Driver): Connection {
  const db = driver.open(path, { timeoutMs: 100, create: 'never' });
  db.exec('pragma synchronous = normal; pragma wal_autocheckpoint = 0; pragma busy_timeout = 0');
  return db;
}

export function pageBytes(db: Connection): number {
  return rowsOf(db.prepare('pragma page_size'))()[0] ?? 4096;
}

export function fileBytes(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** A statement that answers one row of numbers: for checkpoints [busy, log, checkpointed]. */
export function rowsOf(statement: SqliteStatement): () => readonly number[] {
  return () => Object.values(statement.get() ?? {}).map(Number);
}

/** Run from its source or from what the compiler made of it. */
function workerFile(): URL {
  const isSource = import.meta.url.endsWith('.ts');
  const source = new URL('./checkpoint-worker.ts', import.meta.url);
  return isSource ? source : new URL('./checkpoint-worker.js', import.meta.url);
}
