/**
 * Locks and cached values of one connection to the file, as the contract sees them. Whoever waits
 * only reads: after a ring, after a change that a poll has seen, and when a lease is over. What
 * changes something goes into a turn.
 */

import type { Coordination } from '../../transport/coordination.ts';
import { createLine } from '../../transport/coordination-line.ts';
import { readingOf } from '../../transport/coordination-sight.ts';
import type { Host } from '../../transport/transport.ts';
import * as steps from './coordination-steps.ts';
import { isBusy, isFatal, toMaloteError } from './driver-errors.ts';
import type { Session } from './session.ts';

export interface CoordinatingOptions {
  readonly host: Host;
  readonly where: string;
  /** Runs something inside the next turn. */
  run<Answer>(inside: (session: Session) => Answer): Promise<Answer>;
  /** Throws when the connection is closed or broken. */
  check(): void;
  /** Looking has met what may be the end of the connection. */
  failed(): void;
}

export interface Coordinating {
  readonly coordination: Coordination;
  /** Something may have changed in the file. */
  look(): void;
  stop(error: Error): void;
}

export function coordinate(session: Session, options: CoordinatingOptions): Coordinating {
  const { host, where, run, check, failed } = options;

  /** Outside of a turn: one statement after the other, each of which sees what is committed. */
  function looking<Answer>(look: (now: number) => Answer): Answer {
    try {
      check();
      return look(session.time.now());
    } catch (error) {
      // A turn finds out what it means.
      if (isFatal(error)) failed();
      throw toMaloteError(error, where);
    }
  }

  const line = createLine({
    clock: host.clock,
    see(slot, waitedFor) {
      try {
        return looking((now) => steps.see(session, slot, { now, waitedFor }));
      } catch (error) {
        if (isBusy(error)) return { kind: 'unknown' };
        throw error;
      }
    },
    take: (slot, leaseMs, waitedFor) =>
      run((inside) => steps.take(inside, slot, { leaseMs, waitedFor })),
    release(hold) {
      // A connection that is closed by now has given everything back.
      void run((inside) => steps.end(inside, hold)).catch(() => false);
    },
  });

  return {
    coordination: {
      async read(slot) {
        return looking((now) => readingOf(steps.keptOf(session, slot), { now, waitedFor: null }));
      },
      async acquire(request) {
        check();
        return await line.acquire(request);
      },
      extend: (hold, leaseMs) => run((inside) => steps.extend(inside, hold, leaseMs)),
      release: (hold) => run((inside) => steps.end(inside, hold)),
      put: (hold, result) => run((inside) => steps.put(inside, hold, result)),
      invalidate: (slot) => run((inside) => steps.invalidate(inside, slot)),
    },
    look: line.look,
    stop: line.stop,
  };
}
