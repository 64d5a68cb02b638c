/** Waiting for the moment when nothing runs any more, but not for longer than asked. */

import type { Clock } from '../clock.ts';

export interface Idle {
  /** Tells that nothing runs now. */
  reached(): void;
  /** Resolves at the next {@link reached}, or after `ms`. */
  within(ms: number): Promise<void>;
}

export function createIdle(clock: Clock): Idle {
  let waiting: (() => void)[] = [];
  return {
    reached() {
      if (waiting.length === 0) return;
      const resolved = waiting;
      waiting = [];
      for (const resolve of resolved) resolve();
    },
    within: (ms) =>
      new Promise((resolve) => {
        const timer = clock.setTimer(resolve, ms);
        waiting.push(() => {
          timer.cancel();
          resolve();
        });
      }),
  };
}
