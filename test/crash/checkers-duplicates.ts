/**
 * At least once allows a finished handler to run again: for what a process held when it was killed
 * or cut off, and for nothing else. Pure, as in `checkers.ts`.
 */
import { type CampaignRecord, lossOf, type Run } from './campaign-record.ts';
import { tell } from './checkers.ts';
import { endOfHold, movedWhenLost, partingsOf } from './partings.ts';

export interface Duplicates {
  /** Finished handlers whose message ran again. */
  readonly count: number;
  /** The most of them that one kill, or one loss of connections, explains. */
  readonly worst: number;
  /** What no kill and no lost lease explains, and kills that explain more than was in hand. */
  readonly wrong: readonly string[];
}

export interface DuplicateTerms {
  /** Handlers at once in one process, by subscription. */
  readonly slots: Readonly<Record<string, number>>;
  /** Whether a settlement under a lost lease is refused. */
  readonly isFenced: boolean;
  /** Whether a settlement is one step. */
  readonly isAtomic: boolean;
}

export function duplicates(record: CampaignRecord, terms: DuplicateTerms): Duplicates {
  const wrong: string[] = [];
  const byCause = new Map<string, number>();
  let count = 0;
  for (const delivery of record.runs.values()) {
    for (const [index, run] of delivery.entries()) {
      const later = delivery.slice(index + 1).filter(({ id }) => id === run.id);
      if (run.outcome !== 'end' || later.length === 0) continue;
      count += 1;
      // A process that stood still goes on with what it held, until it hears that it lost it.
      if (later.every((one) => isZombie(record, one, terms))) continue;
      // It was told, so it no longer had this in hand when it came to its own end.
      if (isLost(record, run)) continue;
      const cause = causeOf(record, { delivery, run, again: later[0]! }, terms);
      if (cause !== undefined) byCause.set(cause, (byCause.get(cause) ?? 0) + 1);
      else {
        wrong.push(`${run.label} was done and ran again in ${run.subscription}: ${tell(delivery)}`);
      }
    }
  }
  const ends = endsByProcess(record);
  for (const [cause, repeated] of byCause) {
    const process = cause.split(' ')[0]!;
    // Where acks are not settled for good, a process is taken to have lost more than was in hand.
    const most = terms.isAtomic
      ? (record.inHand.get(process) ?? 0)
      : inHandAtMost(ends.get(process) ?? new Map(), terms.slots);
    if (repeated <= most) continue;
    wrong.push(`the end of ${cause} repeated ${repeated} messages, it held at most ${most}`);
  }
  return { count, worst: Math.max(0, ...byCause.values()), wrong };
}

interface Repeated {
  readonly delivery: readonly Run[];
  readonly run: Run;
  readonly again: Run;
}

/**
 * Its process lost it. Or, where the state of a message is a copy of it, a process that had failed
 * or parked it was lost between storing the copy and removing what it was made from.
 */
function causeOf(
  record: CampaignRecord,
  { delivery, run, again }: Repeated,
  { isAtomic, isFenced }: DuplicateTerms,
): string | undefined {
  const changed = isAtomic ? [] : delivery.filter(({ outcome }) => outcome !== 'end');
  const before = changed.filter((one) => one !== again && one.startedAt <= again.startedAt);
  for (const one of [run, ...before]) {
    const end = endOfHold(record, { run: one, again, isFenced });
    if (end !== undefined) return end;
  }
  return isAtomic ? undefined : movedWhenLost(record, again);
}

/** One that stood still and was killed soon after may not have heard. */
function isZombie(record: CampaignRecord, run: Run, { isFenced }: DuplicateTerms): boolean {
  const { pauses, kills } = record;
  if (isLost(record, run) || (pauses.has(run.process) && kills.has(run.process))) return true;
  const partings = partingsOf(record, run.process, isFenced);
  return partings.some(({ from, to }) => from <= run.startedAt && run.startedAt <= to);
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
