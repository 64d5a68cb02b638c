/**
 * Leave to start messages of a subscription, over all its processes or in this one alone: whoever
 * takes it holds back everybody for a while, from the moment it is given.
 *
 * Over all processes it is an entry in the engine that is fresh for that while: nobody can take the
 * slot of a fresh entry. So it outlives the process that took it, is told by the engine's clock
 * alone, and a process that stood still while it took one has taken nothing.
 */

import type { Clock } from '../clock.ts';
import type { Coordination, Slot } from '../transport/coordination.ts';

/** Resolves once leave is given; everybody waits for `holdMs` then. Rejects with its reason. */
export type TakePermits = (holdMs: number, rest: Rest) => Promise<void>;

export interface Rest {
  readonly signal: AbortSignal;
  /** Lets time pass. Rejects with the reason of the signal. */
  for(ms: number): Promise<void>;
}

export function permitsHere(clock: Clock): TakePermits {
  let freeAt = Number.NEGATIVE_INFINITY;
  return async (holdMs, rest) => {
    for (let now = clock.monotonic(); now < freeAt; now = clock.monotonic()) {
      await rest.for(freeAt - now);
    }
    freeAt = clock.monotonic() + holdMs;
  };
}

/** What a process that takes leave and dies in it costs the others. */
const claimMs = 1_000;
const patienceMs = 60_000;
const mostSubscriptions = 1_000_000;

export function permitsOfAll(
  subscription: string,
  { clock, open }: { readonly clock: Clock; readonly open: () => Promise<Coordination> },
): TakePermits {
  const slot: Slot = { space: 'rate', key: subscription };
  return async (holdMs, rest) => {
    const coordination = await open();
    for (;;) {
      const request = { slot, leaseMs: claimMs, waitMs: patienceMs, signal: rest.signal };
      const acquired = await coordination.acquire(request);
      if (acquired.kind === 'found') {
        await rest.for(leftOf(acquired.reading.entry?.value ?? null, clock.now()));
      }
      if (acquired.kind !== 'held') continue;
      const given = await coordination.put(acquired.hold, {
        kind: 'entry',
        value: JSON.stringify({ until: clock.now() + holdMs, holdMs } satisfies Given),
        freshMs: holdMs,
        keptMs: holdMs,
        mostEntries: mostSubscriptions,
      });
      if (given) return;
    }
  };
}

interface Given {
  /** By the clock of who took it, which is no more than a hint. */
  readonly until: number;
  readonly holdMs: number;
}

function leftOf(value: string | null, now: number): number {
  if (value === null) return 1;
  const { until, holdMs } = JSON.parse(value) as Given;
  return Math.min(Math.max(1, until - now), holdMs);
}
