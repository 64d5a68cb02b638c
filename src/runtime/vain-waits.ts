/**
 * Handlers that ask for a fact which holds already, again and again: the fact says "customer 5
 * exists", the handler's own look-up does not find it. Without a brake such a message would go
 * round as fast as the engine can carry it.
 *
 * The first vain wait runs the handler again at once. From then on every other one rests first,
 * twice as long each time; the ones between still ask the engine, so that a revoked fact parks.
 */

import type { Settlement } from '../transport/transport.ts';

export interface VainWaits {
  /** The engine answered that all facts hold. */
  add(id: string): void;
  /** The settlement to make in place of this one. */
  temper(settlement: Settlement): Settlement;
}

const firstRestMs = 20;
const longestRestMs = 5_000;
/** Messages remembered; the oldest is forgotten first and only loses its brake. */
const mostRemembered = 10_000;

export function createVainWaits(): VainWaits {
  const counts = new Map<string, number>();

  function add(id: string): void {
    counts.set(id, (counts.get(id) ?? 0) + 1);
    if (counts.size <= mostRemembered) return;
    for (const oldest of counts.keys()) {
      counts.delete(oldest);
      return;
    }
  }

  return {
    add,
    temper(settlement) {
      if (counts.size === 0) return settlement;
      const { delivery, kind } = settlement;
      const count = counts.get(delivery.id);
      if (count === undefined) return settlement;
      if (kind !== 'park') {
        counts.delete(delivery.id);
        return settlement;
      }
      if (count % 2 === 0) return settlement;
      add(delivery.id);
      const afterMs = Math.min(longestRestMs, firstRestMs * 2 ** ((count - 1) / 2));
      return { kind: 'release', delivery, afterMs };
    },
  };
}
