/** Makes the {@link Harness} a case runs in, and ends it. */

import assert from 'node:assert/strict';
import { sleep, systemClock } from '../../clock.ts';
import { seededRandom } from '../seeded.ts';
import { settleTurns, virtualClock, type VirtualClock } from '../virtual-clock.ts';
import type {
  CallerTransaction,
  Connection,
  EngineUnderTest,
  Harness,
  Patience,
} from './harness.ts';
import { openConnection } from './open-connection.ts';
import { usualSubscription } from './settlements.ts';
import { watch } from './watch.ts';

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
  let opened = 0;
  const transactions: CallerTransaction[] = [];
  const until = waiter(clock, patience);
  const rest = async (): Promise<void> => {
    await settleTurns();
    if (patience.quietMs === undefined) return;
    await sleep(patience.quietMs);
    await settleTurns();
  };
  const quiet = async (): Promise<void> => {
    await rest();
    await clock.advance(quietMs);
    await rest();
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
    async open(given = {}) {
      const engine = opened === 0 ? harness.engine : subject.make();
      opened += 1;
      const number = opened;
      const connection = await openConnection(harness, engine, { ...given, number });
      connections.push(connection);
      return connection;
    },
    begin() {
      assert.ok(subject.begin, 'an engine with transactions needs a way to begin one');
      const transaction = subject.begin();
      transactions.push(transaction);
      return transaction;
    },
    async start({ slots, keepDoneMs = 0, journal, ...given } = {}) {
      const connection = await harness.open(
        journal === undefined ? { keepDoneMs } : { journal, keepDoneMs },
      );
      await connection.subscribe(given);
      const name = given.name ?? usualSubscription;
      const consumer = connection.consume(name, slots === undefined ? {} : { slots });
      return { connection, consumer };
    },
    async crash(...dying) {
      for (const connection of dying) connection.abandon();
      const timed = harness.engine.capabilities.lease === 'timed';
      await clock.advance(timed ? leaseMs + quietMs : quietMs);
      await rest();
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
    const graceMs = 5 * (patience.quietMs ?? 0);
    const isLong = (): boolean => systemClock.monotonic() - startedAt > patience.realMs;
    for (let waitedMs = 0; ; waitedMs += stepMs) {
      await settleTurns();
      if (ready()) return;
      // Time that a case owns stands still while a network is given the time it needs.
      if (systemClock.monotonic() - startedAt < graceMs) {
        waitedMs -= stepMs;
        await sleep(2);
      } else if (waitedMs < patience.virtualMs) await clock.advance(stepMs);
      else if (isLong()) assert.fail(missing());
      else await sleep(2);
    }
  };
}
