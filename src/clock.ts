/**
 * Time as malote sees it. Whatever waits or stamps goes through a {@link Clock}, so that a test
 * can own time. This is the only file that touches the machine's clocks and timers.
 */

export interface Clock {
  /**
   * Milliseconds since the Unix epoch: for stamps, delays and deadlines that outlive the process.
   */
  now(): number;
  /** Milliseconds that never go back: for durations inside one process. */
  monotonic(): number;
  /** Calls `run` once, not before `ms` have passed. Any length: long waits are re-armed. */
  setTimer(run: () => void, ms: number): Timer;
}

export interface Timer {
  cancel(): void;
  /** Lets the process end although this timer is still armed. */
  unref(): Timer;
}

/** `setTimeout` fires at once for anything longer than a signed 32-bit number of milliseconds. */
const longestTimeoutMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer: startTimer,
};

/**
 * How long it is since an instant of the monotonic clock, for whoever reads it: to the microsecond,
 * as what binary fractions leave behind it is noise.
 */
export function elapsedMs({ monotonic }: Pick<Clock, 'monotonic'>, since: number): number {
  return Math.round((monotonic() - since) * 1_000) / 1_000;
}

/** Resolves when that time has passed. */
export function sleep(ms: number, clock: Pick<Clock, 'setTimer'> = systemClock): Promise<void> {
  return new Promise((resolve) => void clock.setTimer(resolve, ms));
}

/** Whether something is over within that time; rejects where it does. */
export function isOverWithin(ms: number, over: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = systemClock.setTimer(() => resolve(false), ms);
    over.then(() => resolve(true), reject).finally(() => timer.cancel());
  });
}

function startTimer(run: () => void, ms: number): Timer {
  let unreferenced = false;
  let handle: ReturnType<typeof setTimeout>;
  const arm = (leftMs: number): void => {
    const stepMs = Math.min(Math.max(leftMs, 0), longestTimeoutMs);
    handle = setTimeout(() => (stepMs < leftMs ? arm(leftMs - stepMs) : run()), stepMs);
    if (unreferenced) handle.unref();
  };
  arm(ms);
  return {
    cancel: () => clearTimeout(handle),
    unref() {
      unreferenced = true;
      handle.unref();
      return this;
    },
  };
}
