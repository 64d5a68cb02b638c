/**
 * One timer for all running attempts of a consumer: they share one time-out, so the first to start
 * is the first to expire.
 *
 * Attempts that start in one go share one look at the clock, taken when the last of them has
 * started: a time-out is never shorter than asked, and most attempts are over without one.
 *
 * At its time-out an attempt's signal is aborted and its outcome is decided; its slot and its lane
 * stay taken while the handler winds up, for at most {@link graceMs}. A handler that is still
 * running then is stuck: its slot is given up.
 */

import type { Clock, Timer } from '../clock.ts';
import { append, createList, type LinkedList, unlink } from '../transport/linked-list.ts';
import type { Attempt, Start } from './attempt.ts';

export interface Deadlines {
  add(attempt: Attempt): void;
  /** Called when those added since the last call have all started. */
  started(): void;
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
  /** Both in order of their instants. */
  const running = createList<Attempt>();
  const expired = createList<Attempt>();
  let starting: Start = { at: 0 };
  let timer: Timer | null = null;

  function arm(): void {
    if (timer !== null) return;
    const next = Math.min(endOf(running, timeoutMs), endOf(expired, graceMs));
    if (next === Number.POSITIVE_INFINITY) return;
    timer = clock.setTimer(sweep, next - clock.monotonic());
  }

  function sweep(): void {
    timer = null;
    const now = clock.monotonic();
    while (endOf(running, timeoutMs) <= now) {
      const attempt = running.head!;
      unlink(running, attempt);
      attempt.start = { at: now };
      attempt.list = expired;
      append(expired, attempt);
      expire(attempt);
    }
    while (endOf(expired, graceMs) <= now) {
      const attempt = expired.head!;
      remove(attempt);
      abandon(attempt);
    }
    arm();
  }

  function remove(attempt: Attempt): void {
    if (attempt.list === null) return;
    unlink(attempt.list, attempt);
    attempt.list = null;
  }

  return {
    add(attempt) {
      attempt.start = starting;
      attempt.list = running;
      append(running, attempt);
    },
    started() {
      if (running.tail?.start !== starting) return;
      starting.at = clock.monotonic();
      starting = { at: 0 };
      arm();
    },
    remove,
    get running() {
      return [...membersOf(running), ...membersOf(expired)];
    },
    stop() {
      timer?.cancel();
      timer = null;
    },
  };
}

function endOf({ head }: LinkedList<Attempt>, ms: number): number {
  return head === null ? Number.POSITIVE_INFINITY : head.start.at + ms;
}

function* membersOf({ head }: LinkedList<Attempt>): Generator<Attempt> {
  for (let attempt = head; attempt !== null; attempt = attempt.next) yield attempt;
}
