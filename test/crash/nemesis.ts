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
  /** `cut` ends its connections; `mute` does so where its next answer would come. */
  readonly kind: 'kill' | 'pause' | 'cut' | 'mute';
}

export interface Nemesis {
  readonly slots: readonly string[];
  readonly faults: number;
  /** The share of faults that pause a process for longer than its lease. */
  readonly pauses: number;
  /** The share that only cuts connections. */
  readonly cuts?: number;
  /** How long a paused process stands still, from and to; milliseconds. */
  readonly pauseMs?: readonly [from: number, to: number];
}

export function scheduleOf(seed: number, nemesis: Nemesis): Fault[] {
  const { slots, faults, pauses, cuts = 0, pauseMs: [shortest, longest] = [400, 1_200] } = nemesis;
  const random = seededRandom(seed);
  return Array.from({ length: faults }, (): Fault => {
    const afterMs = 100 + Math.floor(random() * 400);
    const slot = slots[Math.floor(random() * slots.length)]!;
    const absentMs = random() < 0.5 ? 0 : Math.floor(random() * 100);
    const isEarly = random() < 0.2;
    const chance = random();
    const kind = chance < pauses ? 'pause' : chance < pauses + cuts ? 'cut' : 'kill';
    if (kind === 'kill') return { kind, slot, afterMs, isEarly, forMs: absentMs };
    if (kind === 'cut') {
      return { kind: random() < 0.5 ? 'cut' : 'mute', slot, afterMs, isEarly, forMs: 0 };
    }
    const forMs = shortest + Math.floor(random() * (longest - shortest));
    return { kind, slot, afterMs, isEarly, forMs };
  });
}

/** One line: `+312 publisher-1, +140 worker-2 (82), +221 worker-1 starting pause 612`. */
export function printSchedule(schedule: readonly Fault[]): string {
  const faults = schedule.map(({ kind, slot, afterMs, forMs, isEarly }) => {
    const lasting = kind === 'kill' ? ` (${forMs})` : ` ${forMs}`;
    const what = `${kind === 'kill' ? '' : ` ${kind}`}${forMs === 0 ? '' : lasting}`;
    return `+${afterMs} ${slot}${isEarly ? ' starting' : ''}${what}`;
  });
  return faults.join(', ');
}
