/**
 * All checkers over one history: what they found, and the figures of the summary line.
 */
import type { CampaignRecord } from './campaign-record.ts';
import { doubled, early, lost, repeatedAttempts, staged, stuck, unexpected } from './checkers.ts';
import { duplicates } from './checkers-duplicates.ts';
import { outOfOrder, overlapping } from './checkers-order.ts';

export interface Terms {
  readonly slots: Readonly<Record<string, number>>;
  readonly leaseMs: number;
  readonly backoffMs: number;
  readonly staging: { readonly by: string; readonly into: string };
  /** What the engine promises beyond the least. */
  readonly isAtomic: boolean;
  readonly isFenced: boolean;
  /** Codes of troubles that pass by themselves. */
  readonly passing: readonly string[];
}

export interface Verdict {
  /** The sentences of every checker that has any, at most a few of each. */
  readonly findings: Readonly<Record<string, readonly string[]>>;
  readonly counts: Readonly<Record<string, number>>;
  readonly accepted: number;
  readonly repeated: number;
  readonly worstKill: number;
}

const mostShown = 5;

export function examine(record: CampaignRecord, terms: Terms): Verdict {
  const { count, worst, wrong } = duplicates(record, terms);
  const found: Readonly<Record<string, readonly string[]>> = {
    lost: lost(record),
    stuck: stuck(record),
    unexpected: unexpected(record),
    'out of order': outOfOrder(record, terms.staging.by),
    overlapping: overlapping(record, terms),
    early: early(record, terms),
    doubled: doubled(record, { isAtomic: terms.isAtomic, by: terms.staging.by }),
    staged: staged(record, terms.staging),
    attempts: repeatedAttempts(record, terms),
    'unexplained duplicates': wrong,
    trouble: record.troubles
      .filter(({ code }) => !terms.passing.includes(code))
      .map(({ process, code, message }) => `${process}: ${code}: ${message}`),
  };
  const findings = Object.entries(found).filter(([, sentences]) => sentences.length > 0);
  return {
    findings: Object.fromEntries(findings.map(([name, all]) => [name, all.slice(0, mostShown)])),
    counts: Object.fromEntries(Object.entries(found).map(([name, all]) => [name, all.length])),
    accepted: [...record.sent.values()].filter(({ outcome }) => outcome === 'accepted').length,
    repeated: count,
    worstKill: worst,
  };
}

export function summary(record: CampaignRecord, verdict: Verdict): string {
  const { counts, accepted, repeated, worstKill } = verdict;
  const starts = [...record.runs.values()].reduce((sum, runs) => sum + runs.length, 0);
  const waiting = [...record.sent.values()].filter(
    ({ waits, asks }) => waits.length > 0 || asks !== null,
  );
  return [
    `${record.kills.size} kills, ${record.breaks.length} cuts`,
    `${accepted} accepted`,
    `${starts} starts`,
    `${waiting.length} waited for facts`,
    `${counts['lost']} lost`,
    `${counts['out of order']} out of order`,
    `${counts['stuck']} stuck`,
    `${repeated} duplicates (${worstKill} by the worst kill)`,
    `${record.losses.size} leases lost`,
    `${record.troubles.length} troubles`,
  ].join(', ');
}
