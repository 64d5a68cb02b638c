/**
 * One timer for all running attempts of a consumer: they share one time-out, so the first to start
 * is the first to expire.
 *
 * At its time-out an attempt's signal is aborted and its outcome is decided; its slot and its lane
 * stay taken while the handler winds up, for at most {@link graceMs}. A handler that is still
 * running then is stuck: its slot is given up.
 */

import type { Clock, Timer } from '../clock.ts';
import type { Attempt } from './attempt.ts';

export interface Deadlines {
  add(attempt: Attempt): void;
  remove(attempt: Attempt): void;
  readonly running: Iterable<Attempt>;
  stop(): void;
}

const longestGraceMs = 10_000;

export function createDeadlines(options: {
  clock: Clock;
  timeoutMs: number;
  expire(attempt: Attempt): void;
  abandon(attempt: Attempt): void;
}): Deadlines {
  const { clock, timeoutMs, expire, abandon } = options;
  const graceMs = Math.min(timeoutMs, longestGraceMs);
  /** In order of their instants, which are monotonic milliseconds. */
  const running = new Map<Attempt, number>();
  const expired = new Map<Attempt, number>();
  let timer: Timer | null = null;

  function arm(): void {
    if (timer !== null) return;
    const next = Math.min(firstOf(running), firstOf(expired));
    if (next === Number.POSITIVE_INFINITY) return;
    timer = clock.setTimer(sweep, next - clock.monotonic());
  }

  function sweep(): void {
    timer = null;
    const now = clock.monotonic();
    for (const [attempt, at] of running) {
      if (at > now) break;
      running.delete(attempt);
      expired.set(attempt, now + graceMs);
      expire(attempt);
    }
    for (const [attempt, at] of expired) {
      if (at > now) break;
      expired.delete(attempt);
      abandon(attempt);
    }
    arm();
  }

  return {
    add(attempt) {
      running.set(attempt, clock.monotonic() + timeoutMs);
      arm();
    },
    remove(attempt) {
      if (!running.delete(attempt)) expired.delete(attempt);
    },
    get running() {
      return [...running.keys(), ...expired.keys()];
    },
    stop() {
      timer?.cancel();
      timer = null;
    },
  };
}

function firstOf(attempts: ReadonlyMap<Attempt, number>): number {
  for (const at of attempts.values()) return at;
  return Number.POSITIVE_INFINITY;
}
