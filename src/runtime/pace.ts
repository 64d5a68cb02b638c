/**
 * At most so many starts in any such time, spread evenly: a consumer with a rate starts nothing
 * without leave (see {@link TakePermits}), and takes leave only for what it could start at once.
 *
 * With `k` starts at an instant everybody waits for `k` steps, and no more than a slice starts at
 * an instant. So the starts before the last slice of any `perMs` fill less than `perMs`: with a
 * step of `perMs / (limit - slice + 1)` all of them together are never more than `limit`.
 */

import type { Clock, Timer } from '../clock.ts';
import type { TakePermits } from './permits.ts';

export interface Rate {
  readonly limit: number;
  readonly perMs: number;
  /** Over all processes of the subscription, or in this one. */
  readonly scope: 'subscription' | 'process';
}

export interface Pace {
  /** The most that starts at an instant: nobody needs to hold more of them ready. */
  readonly slice: number;
  /** Whether one may start now. If not, leave is asked for, for at most that many. */
  allows(wanted: number): boolean;
  /** One started. */
  spend(): void;
  /** Nothing happens until time has passed. */
  readonly isResting: boolean;
  stop(): void;
}

/** Steps shorter than this are taken several at once, that long together: each costs a call. */
const shortestStepMs = 5;
const sliceMs = 10;
/** No larger part of the limit starts at an instant. */
const largestPart = 20;
const troubleMs = 1_000;

export function createPace(options: {
  readonly rate: Rate;
  readonly take: TakePermits;
  readonly clock: Clock;
  /** There is leave: whoever does not start at once has lost it. */
  granted(): void;
  trouble(error: unknown): void;
}): Pace {
  const { rate, take, clock, granted, trouble } = options;
  const slice = sliceOf(rate);
  const stepMs = rate.perMs / (rate.limit - slice + 1);
  const ending = new AbortController();
  const { signal } = ending;
  let permits = 0;
  let isAsking = false;
  let resting = 0;

  function rest(ms: number): Promise<void> {
    resting += 1;
    return new Promise<void>((resolve, reject) => {
      let timer: Timer | null = null;
      const end = (settle: () => void): void => {
        resting -= 1;
        timer?.cancel();
        signal.removeEventListener('abort', abort);
        settle();
      };
      const abort = (): void => end(() => reject(signal.reason as Error));
      if (signal.aborted) return abort();
      signal.addEventListener('abort', abort);
      timer = clock.setTimer(() => end(resolve), ms);
    });
  }

  async function ask(messages: number): Promise<void> {
    isAsking = true;
    try {
      await take(Math.ceil(messages * stepMs), { signal, for: rest });
      permits = messages;
    } catch (error) {
      if (signal.aborted) return;
      trouble(error);
      await rest(troubleMs).catch(() => undefined);
    } finally {
      isAsking = false;
    }
    if (signal.aborted) return;
    granted();
    permits = 0;
  }

  return {
    slice,
    allows(wanted) {
      if (permits > 0) return true;
      if (!isAsking && !signal.aborted) void ask(Math.min(slice, wanted));
      return false;
    },
    spend() {
      permits -= 1;
    },
    get isResting() {
      return resting > 0;
    },
    stop: () => ending.abort(new Error('the consumer has stopped')),
  };
}

function sliceOf({ limit, perMs }: Rate): number {
  const evenMs = perMs / limit;
  if (evenMs >= shortestStepMs) return 1;
  return Math.max(1, Math.min(Math.ceil(sliceMs / evenMs), Math.floor(limit / largestPart)));
}
