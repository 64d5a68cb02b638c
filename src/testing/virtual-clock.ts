/**
 * Time that a test owns. It stands still until {@link VirtualClock.advance} moves it, and then
 * every timer fires in the order it is due, seeing exactly the time it was due at.
 *
 * Between two timers the event loop turns a few times, so that what one timer began (a promise, a
 * commit batched into the next turn) is done before the next one fires. Nothing depends on the
 * machine's speed: the same calls give the same history.
 */

import type { Clock, Timer } from '../clock.ts';
import { toMs, type Duration } from '../message/duration.ts';

export interface VirtualClock extends Clock {
  /** Moves time, firing what comes due on the way. Calls made meanwhile take their turn. */
  advance(by: Duration): Promise<void>;
}

interface Armed {
  readonly dueMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** An arbitrary Tuesday; any whole number of milliseconds since the Unix epoch does. */
const usualStart = Date.UTC(2030, 0, 1);

export function virtualClock(startAt: number = usualStart): VirtualClock {
  let elapsedMs = 0;
  let armedSoFar = 0;
  let moving: Promise<void> = Promise.resolve();
  const armed = new Set<Armed>();

  const setTimer = (run: () => void, ms: number): Timer => {
    const timer = { dueMs: elapsedMs + Math.max(ms, 0), order: armedSoFar++, run };
    armed.add(timer);
    return {
      cancel: () => void armed.delete(timer),
      unref() {
        return this;
      },
    };
  };

  const move = async (ms: number): Promise<void> => {
    const untilMs = elapsedMs + ms;
    await settleTurns();
    for (let next = earliest(armed, untilMs); next; next = earliest(armed, untilMs)) {
      elapsedMs = Math.max(elapsedMs, next.dueMs);
      armed.delete(next);
      next.run();
      await settleTurns();
    }
    elapsedMs = untilMs;
  };

  return {
    now: () => startAt + elapsedMs,
    monotonic: () => elapsedMs,
    setTimer,
    advance(by) {
      const ms = toMs(by, 'advance');
      const moved = moving.then(() => move(ms));
      moving = moved.catch(() => undefined);
      return moved;
    },
  };
}

/**
 * Lets the event loop turn `rounds` times: every promise that is settled has run its reactions, and
 * what they put off to the next turn has run as well.
 */
export async function settleTurns(rounds: number = 4): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }
}

function earliest(armed: ReadonlySet<Armed>, untilMs: number): Armed | undefined {
  let best: Armed | undefined;
  for (const timer of armed) {
    if (timer.dueMs > untilMs) continue;
    const sooner = best === undefined || timer.dueMs < best.dueMs;
    if (sooner || (timer.dueMs === best?.dueMs && timer.order < best.order)) best = timer;
  }
  return best;
}
