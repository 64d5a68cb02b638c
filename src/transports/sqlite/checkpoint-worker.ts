/**
 * Moves committed pages from the log into the database, away from the event loop. Sleeps until the
 * main thread wakes it, so an idle process costs nothing. Why it works as it does: checkpoint.ts.
 */
import { workerData } from 'node:worker_threads';
import { systemClock } from '../../clock.ts';
import {
  type CheckpointWork,
  fileBytes,
  frameHeaderBytes,
  lookAtLog,
  openHelper,
  pageBytes,
  rowsOf,
  slot,
} from './checkpoint.ts';
import type { Connection } from './driver.ts';
import { isFatal } from './driver-errors.ts';
import { loadDriver } from './load-driver.ts';

/** A page that is written often is copied once per checkpoint: fewer are cheaper. */
const backlogBytes = 4 * 2 ** 20;
/** A pass as short as this left little behind for the main thread to finish. */
const shortPassMs = 4;
const passesPerRequest = 3;
/** A pass would be in the way of the main thread that is asked, until it seems forgotten. */
const wakesPerRequest = 4;

/** A log file that one long reader blew up to more than so many caps is cut. */
const capsToKeep = 4;
/**
 * The lock comes free between two transactions only, so a single try to cut would mostly miss it.
 * Bounds too how long writers wait for a reader that came meanwhile. Passive ones never wait.
 */
const cutWaitMs = 30;

run(workerData as CheckpointWork);

function run(work: CheckpointWork): void {
  const { path, state } = work;
  const db = openHelper(path, loadDriver(work.driver));
  const look = createLook(db, work);
  let seen = 0;
  for (;;) {
    Atomics.wait(state, slot.wakes, seen);
    seen = Atomics.load(state, slot.wakes);
    if (Atomics.load(state, slot.isStopped) === 1) break;
    try {
      look();
    } catch (error) {
      // Busy: another process does it. Full: its commits will say so. Anything else is final.
      if (isFatal(error)) throw error;
    }
  }
  db.close();
}

function createLook(db: Connection, { path, state, capBytes }: CheckpointWork): () => void {
  const frameBytes = pageBytes(db) + frameHeaderBytes;
  const log = rowsOf(db.prepare(lookAtLog));
  const passive = rowsOf(db.prepare('pragma wal_checkpoint(passive)'));
  const truncate = rowsOf(db.prepare('pragma wal_checkpoint(truncate)'));
  db.exec(`pragma busy_timeout = ${cutWaitMs}`);
  let wakesAsked = 0;
  return () => {
    if (Atomics.load(state, slot.isAsked) === 1 && ++wakesAsked < wakesPerRequest) return;
    wakesAsked = 0;
    const [, frames = 0, copied = 0] = log();
    if (frames * frameBytes >= capBytes) {
      catchUp(passive);
      Atomics.store(state, slot.isAsked, 1);
    } else if (fileBytes(`${path}-wal`) > capsToKeep * capBytes) {
      // Cutting a large file takes 0.1 s and more: writers may be busy so long, the loop not.
      truncate();
    } else if ((frames - copied) * frameBytes >= backlogBytes) {
      passive();
    }
  };
}

/** Each pass leaves only what was committed during it, so they get shorter. */
function catchUp(passive: () => unknown): void {
  for (let pass = 0; pass < passesPerRequest; pass++) {
    const startedAt = systemClock.monotonic();
    passive();
    if (systemClock.monotonic() - startedAt < shortPassMs) return;
  }
}
