/**
 * How many deliveries a consumer asks for: its slots, and as many more as its handlers finish in
 * {@link aheadMs}. Fast handlers get large batches; behind slow ones nothing queues in this
 * process that another one could run.
 */

export interface Window {
  /** Tells that `count` deliveries were concluded by `now` (monotonic milliseconds). */
  finished(count: number, now: number): void;
  readonly size: number;
}

const aheadMs = 20;
const mostAhead = 1_000;
/** Shorter spans than this say more about the clock than about the handlers. */
const shortestSpanMs = 1;

export function createWindow(slots: number, now: number): Window {
  let since = now;
  let count = 0;
  let perMs = 0;
  return {
    finished(more, at) {
      count += more;
      const spanMs = at - since;
      if (spanMs < shortestSpanMs) return;
      perMs = (perMs + count / spanMs) / 2;
      [since, count] = [at, 0];
    },
    get size() {
      return slots + Math.min(mostAhead, Math.floor(perMs * aheadMs));
    },
  };
}
