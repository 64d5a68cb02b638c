/** Forgets, step by step, which messages named something to be recognised by too long ago. */

import { addChore, type Step, stepRows } from './chores.ts';
import { dedupeWindowMs } from './publish.ts';
import type { Session } from './session.ts';

/** Now and then: whether there is something to forget. The oldest has the lowest number. */
export function planSweep({ ledger }: Session): void {
  const oldest = ledger.shelves.oldestSeen.get();
  if (oldest === undefined || oldest[0] > ledger.now - dedupeWindowMs) return;
  addChore(ledger, { kind: 'sweep', name: '', subject: 0 });
}

export const sweepStep: Step = ({ ledger }) => {
  const until = ledger.now - dedupeWindowMs;
  const { changes } = ledger.shelves.forgetOldest.run(stepRows, until);
  return Number(changes) < stepRows ? null : 0;
};
