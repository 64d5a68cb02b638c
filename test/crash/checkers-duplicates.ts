/**
 * At least once allows a finished handler to run again: for what a process held when it was killed,
 * and for nothing else. Pure, as in `checkers.ts`.
 */
import { type CampaignRecord, lossOf, type Run } from './campaign-record.ts';
import { tell } from './checkers.ts';

export interface Duplicates {
  /** Finished handlers whose message ran again. */
  readonly count: number;
  /** The most of them that one kill explains. */
  readonly worst: number;
  /** What no kill and no lost lease explains, and kills that explain more than was in hand. */
  readonly wrong: readonly string[];
}

/** @param slots - handlers at once in one process, by subscription */
export function duplicates(
  record: CampaignRecord,
  slots: Readonly<Record<string, number>>,
): Duplicates {
  const wrong: string[] = [];
  const byProcess = new Map<string, number>();
  let count = 0;
  for (const delivery of record.runs.values()) {
    for (const [index, run] of delivery.slice(0, -1).entries()) {
      if (run.outcome !== 'end') continue;
      count += 1;
      // A process that stood still goes on with what it held, until it hears that it lost it.
      if (delivery.slice(index + 1).every((later) => isZombie(record, later))) continue;
      if (record.kills.has(run.process)) {
        byProcess.set(run.process, (byProcess.get(run.process) ?? 0) + 1);
      } else if (!isLost(record, run)) {
        wrong.push(`${run.label} was done and ran again in ${run.subscription}: ${tell(delivery)}`);
      }
    }
  }
  const ends = endsByProcess(record);
  for (const [process, repeated] of byProcess) {
    const most = inHandAtMost(ends.get(process) ?? new Map(), slots);
    if (repeated <= most) continue;
    wrong.push(`the kill of ${process} repeated ${repeated} messages, it held at most ${most}`);
  }
  return { count, worst: Math.max(0, ...byProcess.values()), wrong };
}

/** One that stood still and was killed soon after may not have heard. */
function isZombie(record: CampaignRecord, run: Run): boolean {
  const { paused, kills } = record;
  return isLost(record, run) || (paused.has(run.process) && kills.has(run.process));
}

function isLost({ losses }: CampaignRecord, { process, subscription, id }: Run): boolean {
  return losses.has(lossOf(process, subscription, id));
}

type Ends = ReadonlyMap<string, readonly number[]>;

function endsByProcess({ runs }: CampaignRecord): Map<string, Map<string, number[]>> {
  const found = new Map<string, Map<string, number[]>>();
  for (const { process, subscription, endedAt } of [...runs.values()].flat()) {
    if (endedAt === null) continue;
    const ofProcess = found.get(process) ?? new Map<string, number[]>();
    found.set(process, ofProcess);
    const ends = ofProcess.get(subscription) ?? [];
    ofProcess.set(subscription, ends);
    ends.push(endedAt);
  }
  return found;
}

/** A consumer asks for its slots and for what its handlers finish in this time (`window.ts`). */
const aheadMs = 20;
const mostAhead = 1_000;

function inHandAtMost(ends: Ends, slots: Readonly<Record<string, number>>): number {
  const each = Object.entries(slots).map(([subscription, handlers]) => {
    const fastest = mostWithin(ends.get(subscription) ?? [], 1_000);
    // The rate is measured over at least a millisecond, so over two of them at the worst.
    return handlers + Math.min(mostAhead, 2 * fastest * aheadMs);
  });
  return each.reduce((sum, held) => sum + held, 0);
}

function mostWithin(instants: readonly number[], spanUs: number): number {
  const sorted = instants.toSorted((a, b) => a - b);
  let most = 0;
  let first = 0;
  for (const [index, at] of sorted.entries()) {
    while (at - sorted[first]! > spanUs) first += 1;
    most = Math.max(most, index - first + 1);
  }
  return most;
}
