/**
 * The story of a message: its failures, and with the journal on everything beyond the ordinary.
 * Bound to its row id, removed with it. Who writes a line also sets `mark.storied` on the message,
 * so that a message without a story costs nothing when it goes.
 */

import { shownNeeds } from '../../message/need.ts';
import type { JournalEntry } from '../../transport/store.ts';
import type { Failure, Need } from '../../transport/transport.ts';
import type { Ledger } from './ledger.ts';

export const longestStory = 100;

export interface Line {
  readonly event: JournalEntry['event'];
  readonly attempt: number;
  readonly detail?: string;
  /** Where it was not now. */
  readonly at?: number;
}

export function record(ledger: Ledger, id: number, line: Line): void {
  if (!ledger.keepsJournal) return;
  const [last, count] = ledger.dead.lastEntry.get(id) ?? [0, 0];
  const { event, attempt, detail = null, at = ledger.now } = line;
  ledger.dead.addEntry.run(id, last + 1, at, event, attempt, detail);
  if (count >= longestStory) ledger.dead.removeEntriesUpTo.run(id, last + 1 - longestStory);
}

export function noteFailure(ledger: Ledger, id: number, failure: Failure): void {
  const { name, message, ...more } = failure;
  const isMore = Object.keys(more).length > 0;
  ledger.dead.fail.run(id, name, message, isMore ? JSON.stringify(more) : null);
}

/** When the deadline of waiting began to count, where that is not the message's acceptance. */
export function redrivenAt(ledger: Ledger, id: number): number | null {
  return ledger.dead.redrivenAt.get(id)?.[0] ?? null;
}

export function forgetStory(ledger: Ledger, id: number): void {
  forgetFailures(ledger, id);
  ledger.dead.removeEntries.run(id);
}

/** Of a message that is gone, and whose history is kept. */
export function forgetFailures({ dead }: Ledger, id: number): void {
  dead.removeFailure.run(id);
}

export function listFacts(facts: readonly Need[]): string {
  return shownNeeds(facts).join(', ');
}
