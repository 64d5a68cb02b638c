/**
 * The time of a file, which never goes back: the machine's clock, unless that was set back. Then
 * the file's time goes on from where it was, a little slower than real time, until the clock has
 * caught up. So what is ready stays ready, and delays end at most a ninth late.
 *
 * A clock past {@link lastMs}, as one that was never set may read, is not believed: the file's time
 * goes on as if it were set back.
 *
 * A clock that is set forward makes every lease look over. Nobody has died of it: after a jump,
 * leases end by time again once every living process has had the time to renew its own. The leases
 * of sessions do so only after the file was opened, too, as nobody knows what the clock did before;
 * those of locks, which are short, end by the clock: their tokens fence what a jump lets overlap.
 */

import type { Clock } from '../../clock.ts';
import { lastMs } from './layout.ts';

export interface FileTime {
  /** Whole milliseconds; not before anything this process has seen in the file. */
  now(): number;
  /** A turn has found that it is this time in the file. */
  found(now: number): void;
  /** For how long the ends of leases say nothing, as the clock jumped. */
  doubtMs(): number;
  /** The same of sessions, also as this process has just come. */
  sessionDoubtMs(): number;
}

/** How fast the file's time runs while it leads the clock. */
const slower = 0.9;
const jumpMs = 1_000;

export function createFileTime(clock: Clock, leaseMs: number): FileTime {
  /** The file's time goes on from here; fractions are kept, as turns are short. */
  let anchor = { at: Number.NEGATIVE_INFINITY, seenAt: 0 };
  let last: { readonly now: number; readonly seenAt: number } | null = null;
  const knowsSince = clock.monotonic() + leaseMs;
  let doubtUntil = Number.NEGATIVE_INFINITY;

  const goneOn = (): number => anchor.at + slower * (clock.monotonic() - anchor.seenAt);

  return {
    now: () => Math.max(believed(clock), Math.floor(goneOn())),
    found(now) {
      const seenAt = clock.monotonic();
      if (last !== null && now - last.now - (seenAt - last.seenAt) > jumpMs) {
        doubtUntil = seenAt + leaseMs;
      }
      last = { now, seenAt };
      if (now > goneOn()) anchor = { at: now, seenAt };
    },
    doubtMs: () => Math.max(0, doubtUntil - clock.monotonic()),
    sessionDoubtMs: () => Math.max(0, Math.max(doubtUntil, knowsSince) - clock.monotonic()),
  };
}

/** What the clock says, in whole milliseconds; 0 where that cannot be. */
export function believed(clock: Clock): number {
  const now = Math.floor(clock.now());
  return now < lastMs ? now : 0;
}
