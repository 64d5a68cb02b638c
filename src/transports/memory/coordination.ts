/**
 * Locks and cached values of one connection to memory, as the contract sees them. They stand beside
 * the messages of either shape and know nothing of them.
 */

import type { Clock } from '../../clock.ts';
import { MaloteError } from '../../errors.ts';
import type { Coordination, Hold } from '../../transport/coordination.ts';
import { createLine } from '../../transport/coordination-line.ts';
import { readingOf } from '../../transport/coordination-sight.ts';
import type { Host, Transport } from '../../transport/transport.ts';
import * as steps from './coordination-slots.ts';
import type { Slots } from './coordination-slots.ts';

export type Uncoordinated = Omit<Transport, 'coordination'>;

export function coordinated(transport: Uncoordinated, slots: Slots, { clock }: Host): Transport {
  const { coordination, close, abandon } = coordinate(slots, clock);
  return {
    ...transport,
    coordination,
    close() {
      close();
      return transport.close();
    },
    abandon() {
      abandon();
      transport.abandon();
    },
  };
}

interface Coordinating {
  readonly coordination: Coordination;
  /** Gives back what this connection holds. */
  close(): void;
  /** What it holds ends by time. */
  abandon(): void;
}

function coordinate(slots: Slots, clock: Clock): Coordinating {
  const owner = {};
  let isOpen = true;
  const now = (): number => clock.now();
  const act = (): void => {
    if (!isOpen) throw closed();
  };

  /** Whether the hold was valid; then its time is over. */
  const ends = (hold: Hold): boolean => {
    act();
    if (steps.heldBy(slots, hold, now()) === null) return false;
    steps.end(slots, hold.slot);
    return true;
  };

  const line = createLine({
    clock,
    see: (slot, waitedFor) => steps.see(slots, slot, { now: now(), waitedFor }),
    take: async (slot, leaseMs, waitedFor) =>
      steps.take(slots, slot, { now: now(), waitedFor, owner, leaseMs }),
    release: (hold) => void (isOpen && ends(hold)),
  });
  slots.lines.add(line);

  const leave = (): void => {
    isOpen = false;
    slots.lines.delete(line);
    line.stop(closed());
  };

  return {
    coordination: {
      async read(slot) {
        act();
        return readingOf(steps.keptIn(slots, slot), { now: now(), waitedFor: null });
      },
      async acquire(request) {
        act();
        return await line.acquire(request);
      },
      async extend(hold, leaseMs) {
        act();
        const held = steps.heldBy(slots, hold, now());
        if (held === null) return false;
        steps.prolong(slots, hold.slot, { ...held, until: now() + leaseMs });
        return true;
      },
      release: async (hold) => ends(hold),
      async put(hold, result) {
        if (!ends(hold)) return false;
        steps.keep(slots, hold, result, now());
        return true;
      },
      async invalidate(slot) {
        act();
        steps.forget(slots, slot);
        steps.end(slots, slot);
      },
    },
    close() {
      if (!isOpen) return;
      leave();
      steps.endAllOf(slots, owner);
    },
    abandon: () => isOpen && leave(),
  };
}

function closed(): MaloteError {
  return new MaloteError('BUS_STOPPED', 'this connection to memory is closed');
}
