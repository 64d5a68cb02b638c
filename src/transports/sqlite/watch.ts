/** How long a turn goes on taking in work; the loop is to be free after 50 ms at the latest. */

import type { Clock } from '../../clock.ts';

export interface Watch {
  /** Whether the turn has taken so long that what is left is for the next one. */
  readonly isOver: () => boolean;
  /**
   * The same for one kind of work, which has a few milliseconds of its own: functions of the caller
   * may take up all of every turn, and must not keep the rest at one item of each.
   */
  ofKind(): () => boolean;
}

const longestMs = 25;
const ofKindMs = 5;

/** Of a turn that begins now. */
export function createWatch(clock: Pick<Clock, 'monotonic'>): Watch {
  const startedAt = clock.monotonic();
  return {
    isOver: () => clock.monotonic() - startedAt >= longestMs,
    ofKind() {
      let begunAt: number | null = null;
      return () => {
        const now = clock.monotonic();
        begunAt ??= now;
        return now - startedAt >= longestMs && now - begunAt >= ofKindMs;
      };
    },
  };
}
