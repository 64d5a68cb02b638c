/**
 * What a case runs in: one engine, fresh and empty, a clock that only the case moves, a seed, and as
 * many connections as it likes. Connections stand for processes; a case ends them as processes end.
 *
 * Nobody sleeps here. A case waits for deliveries by name and number; while it waits, time moves in
 * small steps, because an engine may look for work by a timer. When nothing comes in a while of both
 * virtual and real time, the wait fails and says what was missing.
 */

import assert from 'node:assert/strict';
import { systemClock } from '../../clock.ts';
import type { Engine, SubscriptionSpec } from '../../transport/transport.ts';
import { seededRandom } from '../seeded.ts';
import { settleTurns, virtualClock, type VirtualClock } from '../virtual-clock.ts';
import { openConnection, type Connection } from './connection.ts';
import type { Consumer } from './consumer.ts';
import { usualSubscription } from './settlements.ts';
import { watch, type Watch } from './watch.ts';

export interface Harness {
  readonly engine: Engine;
  readonly clock: VirtualClock;
  readonly seed: number;
  readonly random: () => number;
  /** How long an engine keeps the leases of a process that is silent. */
  readonly leaseMs: number;
  readonly watch: Watch;
  /** One more process. Where the engine allows it, it shares nothing with the others but the data. */
  open(): Promise<Connection>;
  /** Begins a transaction of the caller's own. */
  begin(): CallerTransaction;
  /** A connection, its subscription and a consumer that has been granted nothing yet. */
  start(given?: StartOptions): Promise<Started>;
  /** Lets everything that is under way come to an end, timers within the next second included. */
  quiet(): Promise<void>;
  /** Ends the process as a crash does, and waits until its leases have ended too. */
  crash(connection: Connection): Promise<void>;
  /** Resolves when `ready` answers true; rejects with `missing` when it does not in a while. */
  until(ready: () => boolean, missing: () => string): Promise<void>;
}

export type StartOptions = Partial<SubscriptionSpec> & { readonly slots?: number };

export interface Started {
  readonly connection: Connection;
  readonly consumer: Consumer;
}

/** An engine in a place of its own, with nothing in it. */
export interface EngineUnderTest {
  /**
   * The engine as another process would make it over the same data. An engine that lives in one
   * process answers the same object each time.
   */
  make(): Engine;
  /** Begins a transaction of the caller's own, for an engine in which a publish may join one. */
  begin?(): CallerTransaction;
  /** Removes what it left behind. */
  remove?(): Promise<void> | void;
}

/** A transaction on a connection that the engine did not open. */
export interface CallerTransaction {
  /** What the engine's {@link Join} takes. */
  readonly tx: unknown;
  commit(): void;
  rollback(): void;
  /** Closes the connection, and rolls back what is still open. */
  end(): void;
}

export interface Patience {
  /** How much virtual time a wait lets pass before it gives up. */
  readonly virtualMs: number;
  /** And how much real time at least, for an engine behind a network. */
  readonly realMs: number;
}

export const usualPatience: Patience = { virtualMs: 1_500, realMs: 2_000 };

const leaseMs = 6_000;
const stepMs = 25;
const quietMs = 1_000;

export interface RunningHarness extends Harness {
  /** Closes what is open and rejects when something was violated on the way. */
  end(): Promise<void>;
}

export function startHarness(
  subject: EngineUnderTest,
  seed: number = 1,
  patience: Patience = usualPatience,
): RunningHarness {
  const clock = virtualClock();
  const seen = watch();
  const connections: Connection[] = [];
  const transactions: CallerTransaction[] = [];
  const until = waiter(clock, patience);
  const quiet = async (): Promise<void> => {
    await settleTurns();
    await clock.advance(quietMs);
    await settleTurns();
  };

  const harness: RunningHarness = {
    engine: subject.make(),
    clock,
    seed,
    random: seededRandom(seed),
    leaseMs,
    watch: seen,
    until,
    quiet,
    async open() {
      const engine = connections.length === 0 ? harness.engine : subject.make();
      const connection = await openConnection(harness, engine, connections.length + 1);
      connections.push(connection);
      return connection;
    },
    begin() {
      assert.ok(subject.begin, 'an engine with transactions needs a way to begin one');
      const transaction = subject.begin();
      transactions.push(transaction);
      return transaction;
    },
    async start({ slots, ...given } = {}) {
      const connection = await harness.open();
      await connection.subscribe(given);
      const name = given.name ?? usualSubscription;
      const consumer = connection.consume(name, slots === undefined ? {} : { slots });
      return { connection, consumer };
    },
    async crash(connection) {
      connection.abandon();
      const timed = harness.engine.capabilities.lease === 'timed';
      await clock.advance(timed ? leaseMs + quietMs : quietMs);
    },
    async end() {
      for (const transaction of transactions) transaction.end();
      for (const connection of connections) if (connection.isOpen()) await connection.close();
      await settleTurns();
      seen.verify();
    },
  };
  return harness;
}

function waiter(clock: VirtualClock, patience: Patience): Harness['until'] {
  return async (ready, missing) => {
    const startedAt = systemClock.monotonic();
    const isLong = (): boolean => systemClock.monotonic() - startedAt > patience.realMs;
    for (let waitedMs = 0; ; waitedMs += stepMs) {
      await settleTurns();
      if (ready()) return;
      if (waitedMs < patience.virtualMs) await clock.advance(stepMs);
      else if (isLong()) assert.fail(missing());
      else await new Promise<void>((resolve) => void systemClock.setTimer(resolve, 2));
    }
  };
}
