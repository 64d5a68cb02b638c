/**
 * plainjob, a queue on SQLite by way of better-sqlite3, at malote's durability and its own fastest
 * settings: `synchronous=FULL` in place of its NORMAL, what is published in one turn by one
 * `addMany`, one worker (it handles one job after another, and another worker in the process would
 * wait for the same connection), no logger, no pause between looks at the queue.
 */

import { createRequire } from 'node:module';
import type { Order } from '../load.ts';
import { Absent } from '../scenario.ts';
import { installed, peerVersions } from './install.ts';
import type { Driver, DriverOptions } from './driver.ts';

/** The parts of the two packages that are used here; they are not among malote's own. */
interface Plainjob {
  better(database: unknown): Connection;
  defineQueue(options: object): PlainjobQueue;
  defineWorker(
    type: string,
    run: (job: { readonly data: string }) => Promise<void>,
    options: object,
  ): { start(): Promise<void>; stop(): Promise<void> };
}

interface Connection {
  pragma(text: string): unknown;
  prepare(sql: string): unknown;
  exec(sql: string): unknown;
}

interface PlainjobQueue {
  addMany(type: string, data: readonly unknown[]): unknown;
  countJobs(filter: { status: number }): number;
  close(): void;
}

interface Publishing {
  readonly order: Order;
  readonly resolve: () => void;
}

const kept: unknown[] = [];
const type = 'order';
const [pending, processing] = [0, 1];
/** The worker never leaves the microtasks while it finds jobs; timers have to run too. */
const breathEvery = 64;

export async function openPlainjob({ place, handle }: DriverOptions): Promise<Driver> {
  const { plainjob, Database } = await load();
  const connection = keepingStatements(plainjob.better(new Database(place)));
  const logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
  const queue = plainjob.defineQueue({ connection, logger });
  connection.pragma('synchronous = FULL');
  let publishing: Publishing[] = [];
  let handled = 0;
  const worker = plainjob.defineWorker(
    type,
    async ({ data }) => {
      await handle(JSON.parse(data) as Order, 1);
      handled += 1;
      if (handled % breathEvery === 0) await new Promise(setImmediate);
    },
    { queue, logger, pollIntervall: 0 },
  );

  function store(): void {
    const storing = publishing;
    publishing = [];
    queue.addMany(
      type,
      storing.map(({ order }) => order),
    );
    for (const { resolve } of storing) resolve();
  }

  return {
    publish(order) {
      return new Promise<void>((resolve) => {
        publishing.push({ order, resolve });
        if (publishing.length === 1) setImmediate(store);
      });
    },
    async start() {
      void worker.start();
    },
    held: async () =>
      queue.countJobs({ status: pending }) + queue.countJobs({ status: processing }),
    async close() {
      await worker.stop();
      queue.close();
    },
    versions: peerVersions.plainjob,
  };
}

/** Collecting a statement of better-sqlite3 that nobody uses any more can crash this Node. */
function keepingStatements(connection: Connection): Connection {
  return {
    ...connection,
    prepare(sql) {
      const statement = connection.prepare(sql);
      kept.push(statement);
      return statement;
    },
    // By itself it would prepare a statement and drop it.
    pragma: (text) => connection.exec(`PRAGMA ${text}`),
  };
}

async function load(): Promise<{ plainjob: Plainjob; Database: new (file: string) => object }> {
  const place = installed('plainjob');
  if (place === null) throw new Absent('plainjob is not installed');
  const { resolve } = createRequire(place);
  // Resolved in the folder they were installed in, as they are no dependencies of malote.
  const [queue, database] = ['plainjob', 'better-sqlite3'].map((name) => resolve(name));
  const { default: Database } = (await import(database!)) as {
    default: new (file: string) => object;
  };
  return { plainjob: (await import(queue!)) as Plainjob, Database };
}

function ignore(): void {}
