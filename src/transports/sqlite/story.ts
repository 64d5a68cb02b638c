/**
 * The story of a message: its failures, and with the journal on everything beyond the ordinary.
 * Bound to its row id, removed with it. Who writes a line also sets `mark.storied` on the message,
 * so that a message without a story costs nothing when it goes.
 */

import type { JournalEntry } from '../../transport/store.ts';
import type { Failure, FactId } from '../../transport/transport.ts';
import type { Ledger } from './ledger.ts';

const longestStory = 100;

export interface Line {
  readonly event: JournalEntry['event'];
  readonly attempt: number;
  readonly detail?: string;
}

export function record(ledger: Ledger, id: number, line: Line): void {
  if (!ledger.keepsJournal) return;
  const [last, count] = ledger.dead.lastEntry.get(id) ?? [0, 0];
  const { event, attempt, detail = null } = line;
  ledger.dead.addEntry.run(id, last + 1, ledger.now, event, attempt, detail);
  if (count >= longestStory) ledger.dead.removeEntriesUpTo.run(id, last + 1 - longestStory);
}

export function noteFailure(ledger: Ledger, id: number, failure: Failure): void {
  ledger.dead.fail.run(id, failure.name, failure.message);
}

/** When the deadline of waiting began to count, where that is not the message's acceptance. */
export function redrivenAt(ledger: Ledger, id: number): number | null {
  return ledger.dead.redrivenAt.get(id)?.[0] ?? null;
}

export function forgetStory(ledger: Ledger, id: number): void {
  ledger.dead.removeFailure.run(id);
  ledger.dead.removeEntries.run(id);
}

export function describe(failure: Failure): string {
  return `${failure.name}: ${failure.message}`;
}

export function listFacts(facts: readonly FactId[]): string {
  return facts.join(', ');
}
