/**
 * When a campaign kills whom: drawn from a seed and known before the first process starts.
 */
import { seededRandom } from 'malote/testing';

export interface Fault {
  /** After the process that was killed before has its successor. */
  readonly afterMs: number;
  /** The place whose process is killed. */
  readonly slot: string;
  /** How long the place stays empty. */
  readonly absentMs: number;
}

export function scheduleOf(seed: number, slots: readonly string[], kills: number): Fault[] {
  const random = seededRandom(seed);
  return Array.from({ length: kills }, () => ({
    afterMs: 100 + Math.floor(random() * 400),
    slot: slots[Math.floor(random() * slots.length)]!,
    absentMs: random() < 0.5 ? 0 : Math.floor(random() * 100),
  }));
}

/** One line: `+312 publisher-1, +140 worker-2 (82)`. */
export function printSchedule(schedule: readonly Fault[]): string {
  const faults = schedule.map(({ afterMs, slot, absentMs }) =>
    absentMs === 0 ? `+${afterMs} ${slot}` : `+${afterMs} ${slot} (${absentMs})`,
  );
  return faults.join(', ');
}
