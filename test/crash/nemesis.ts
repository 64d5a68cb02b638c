/**
 * When a campaign does what to whom: drawn from a seed and known before the first process starts.
 */
import { seededRandom } from 'malote/testing';

export interface Fault {
  /** The place whose process it befalls. */
  readonly slot: string;
  /** Befalls the process while it starts; otherwise the time counts from when it is at work. */
  readonly isEarly: boolean;
  readonly afterMs: number;
  /** How long a killed process has no successor, or a paused one stands still. */
  readonly forMs: number;
  readonly kind: 'kill' | 'pause';
}

export interface Nemesis {
  readonly slots: readonly string[];
  readonly faults: number;
  /** The share of faults that pause a process for longer than its lease. */
  readonly pauses: number;
}

export function scheduleOf(seed: number, { slots, faults, pauses }: Nemesis): Fault[] {
  const random = seededRandom(seed);
  return Array.from({ length: faults }, (): Fault => {
    const afterMs = 100 + Math.floor(random() * 400);
    const slot = slots[Math.floor(random() * slots.length)]!;
    const absentMs = random() < 0.5 ? 0 : Math.floor(random() * 100);
    const isEarly = random() < 0.2;
    if (random() >= pauses) return { kind: 'kill', slot, afterMs, isEarly, forMs: absentMs };
    return { kind: 'pause', slot, afterMs, isEarly, forMs: 400 + Math.floor(random() * 800) };
  });
}

/** One line: `+312 publisher-1, +140 worker-2 (82), +221 worker-1 starting paused 612`. */
export function printSchedule(schedule: readonly Fault[]): string {
  const faults = schedule.map(({ kind, slot, afterMs, forMs, isEarly }) => {
    const what = kind === 'pause' ? ` paused ${forMs}` : forMs === 0 ? '' : ` (${forMs})`;
    return `+${afterMs} ${slot}${isEarly ? ' starting' : ''}${what}`;
  });
  return faults.join(', ');
}
