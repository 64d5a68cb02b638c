/**
 * Keeps a hold for as long as it is wanted: extends it every third of its lease, and says once when
 * it is lost. What it goes by is the monotonic clock, reckoned from before the engine was asked: a
 * process that stood still finds out by itself, at the latest with its first timer.
 */

import type { Clock, Timer } from '../clock.ts';
import type { Coordination, Hold } from '../transport/coordination.ts';

export interface Keeping {
  readonly coordination: Coordination;
  readonly clock: Clock;
  readonly leaseMs: number;
  lost(): void;
}

export interface Keeper {
  /** No more extensions, and no more news. */
  stop(): void;
}

export function keepHold(hold: Hold, { coordination, clock, leaseMs, lost }: Keeping): Keeper {
  let { validUntil } = hold;
  let isOver = false;
  let end: Timer;
  let renewal: Timer;

  function stop(): void {
    isOver = true;
    end.cancel();
    renewal.cancel();
  }

  function lose(): void {
    if (isOver) return;
    stop();
    lost();
  }

  function armEnd(): void {
    end = clock.setTimer(() => {
      if (clock.monotonic() >= validUntil) lose();
      else armEnd();
    }, validUntil - clock.monotonic());
    end.unref();
  }

  function armRenewal(): void {
    renewal = clock.setTimer(() => void renew(), leaseMs / 3);
    renewal.unref();
  }

  async function renew(): Promise<void> {
    const askedAt = clock.monotonic();
    if (askedAt >= validUntil) return lose();
    try {
      if (!(await coordination.extend(hold, leaseMs))) return lose();
      validUntil = askedAt + leaseMs;
    } catch {
      // An engine that does not answer is asked again until the lease is over.
    }
    if (!isOver) armRenewal();
  }

  armEnd();
  armRenewal();
  return { stop };
}
