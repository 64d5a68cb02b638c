/**
 * What tests of the SQLite engine work on: a file of their own, a clock that only they move, and as
 * many connections as they like, each standing for a process.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { onTestFinished } from 'vitest';
import type { Clock } from '../../src/clock.ts';
import { seededRandom } from '../../src/testing/seeded.ts';
import { settleTurns, type VirtualClock, virtualClock } from '../../src/testing/virtual-clock.ts';
import type {
  Consumption,
  Delivery,
  EngineEvent,
  Lease,
  Outgoing,
  Settlement,
  SubscriptionSpec,
  Transport,
} from '../../src/transport/transport.ts';
import { sqlite, type SqliteTransaction } from '../../src/transports/sqlite/index.ts';

export interface SqliteBench {
  readonly path: string;
  readonly clock: VirtualClock;
  /** @param keepDoneMs - its journal keeps all, of done messages for so long */
  open(keepDoneMs?: number): Promise<SqliteProcess>;
  /** A connection of the user's own, closed with the test. */
  connect(): DatabaseSync;
  /** All rows that a statement answers, as arrays. */
  rows(sql: string): unknown[][];
}

export interface SqliteProcess {
  readonly transport: Transport<SqliteTransaction>;
  readonly events: readonly EngineEvent[];
  readonly failures: readonly Error[];
  subscribe(given?: Partial<SubscriptionSpec>): Promise<void>;
  /** Rejects unless every message is stored. */
  publish(...drafts: readonly Draft[]): Promise<void>;
  consume(name?: string, slots?: number): SqliteConsumer;
  settle(...batch: readonly Settlement[]): ReturnType<Transport['queue']['settle']>;
}

export interface SqliteConsumer extends Consumption {
  readonly received: Delivery[];
  readonly lost: Lease[];
  /** Grants, lets the engine work, and takes what has come. */
  take(count: number): Promise<Delivery[]>;
}

export type Draft = Partial<Outgoing> & Pick<Outgoing, 'id'>;

export const leaseMs = 6_000;

/** @param lookMs - how far every look at it moves the monotonic clock, milliseconds */
export function sqliteBench(lookMs = 0): SqliteBench {
  const folder = mkdtempSync(join(tmpdir(), 'malote-sqlite-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'malote.db');
  const clock = virtualClock();
  let looks = 0;
  const seen: Clock = { ...clock, monotonic: () => clock.monotonic() + ++looks * lookMs };
  let opened = 0;

  function connect(): DatabaseSync {
    const db = new DatabaseSync(path, { timeout: 0 });
    onTestFinished(() => {
      if (db.isOpen) db.close();
    });
    return db;
  }

  return {
    path,
    clock,
    connect,
    async open(keepDoneMs = 0) {
      opened += 1;
      return openProcess(path, seen, { number: opened, keepDoneMs });
    },
    rows(sql) {
      const db = new DatabaseSync(path);
      try {
        return db
          .prepare(sql)
          .all()
          .map((row) => Object.values(row));
      } finally {
        db.close();
      }
    },
  };
}

async function openProcess(
  path: string,
  clock: Clock,
  { number, keepDoneMs }: { readonly number: number; readonly keepDoneMs: number },
): Promise<SqliteProcess> {
  const events: EngineEvent[] = [];
  const failures: Error[] = [];
  const transport = await sqlite(path).open({
    clock,
    random: seededRandom(number),
    newId: () => `${number}`,
    process: `process ${number}`,
    leaseMs,
    journal: keepDoneMs === 0 ? 'exceptions' : 'all',
    keepDoneMs,
    facts: null,
    seal: () => assert.fail('nobody publishes without malote'),
    notify: (event) => void events.push(event),
    failed: (error) => void failures.push(error),
  });
  onTestFinished(() => transport.abandon());
  const { queue } = transport;
  return {
    transport,
    events,
    failures,
    subscribe: (given = {}) => queue.subscribe([specification(given)]),
    async publish(...drafts) {
      const outcomes = await queue.publish(drafts.map(outgoing));
      assert.deepEqual(new Set(outcomes.map(({ kind }) => kind)), new Set(['stored']));
    },
    consume(name = 'billing', slots = 10) {
      const received: Delivery[] = [];
      const lost: Lease[] = [];
      const sink = {
        deliver: (batch: readonly Delivery[]) => void received.push(...batch),
        lost: (leases: readonly Lease[]) => void lost.push(...leases),
      };
      const consumption = queue.consume(name, { slots }, sink);
      return {
        ...consumption,
        received,
        lost,
        async take(count) {
          consumption.grant(count);
          await settleTurns(8);
          return received.splice(0);
        },
      };
    },
    settle: (...batch) => queue.settle(batch),
  };
}

export function outgoing(draft: Draft): Outgoing {
  const rest = { body: `body of ${draft.id}`, headers: null, key: null };
  return { topic: 'orders', ...rest, delayMs: 0, dedupe: [], facts: [], ...draft };
}

export function specification(given: Partial<SubscriptionSpec> = {}): SubscriptionSpec {
  return {
    name: 'billing',
    topics: ['orders'],
    order: 'key',
    onDead: 'skip',
    waits: true,
    waitingDeadlineMs: 3_600_000,
    waitingOrder: 'hold',
    maxDepth: 1_000_000,
    from: 'kept',
    replace: false,
    ...given,
  };
}

export function ack(delivery: Delivery): Settlement {
  return { kind: 'ack', delivery, opens: [], publish: [] };
}

export function deadLetter(delivery: Delivery): Settlement {
  const failure = { name: 'Refused', message: delivery.id };
  return { kind: 'dead-letter', delivery, reason: 'gave-up', failure, attempts: delivery.attempt };
}

export function idsOf(of: readonly { readonly id: string }[]): string[] {
  return of.map(({ id }) => id);
}

/** `numbered('m', 3)`: m1, m2, m3. */
export function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`);
}
