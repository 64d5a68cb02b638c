/**
 * Which lanes wait for which facts.
 *
 * A lane registers under every fact that its head was found to lack, in the same step that found
 * them lacking; a fact that opens meets every lane that registered before, and a lane that looks
 * later finds the fact. As both are single steps, no order of the two loses a wake-up.
 */

import type { Entry, Lane, LaneTable } from './lane-table.ts';
import { createShelf, shelve, unshelve } from './shelf.ts';
import type { FactId } from './transport.ts';

/** The facts an entry waits for that do not hold; null when nothing is missing. */
export function factsLacking(table: LaneTable, entry: Entry): FactId[] | null {
  let lacking: FactId[] | null = null;
  for (const fact of entry.needs) {
    if (!table.facts.has(fact)) (lacking ??= []).push(fact);
  }
  if (entry.story === null) return lacking;
  for (const fact of entry.story.parkedFor) {
    if (!table.facts.has(fact)) (lacking ??= []).push(fact);
  }
  return lacking;
}

export function startWaiting(table: LaneTable, lane: Lane, lacking: readonly FactId[]): void {
  table.lastNumber += 1;
  lane.waitNumber = table.lastNumber;
  lane.lacking = new Set(lacking);
  shelve(table.waiting, lane.waitNumber, lane);
  for (const fact of lane.lacking) {
    let waiters = table.waitingOn.get(fact);
    if (waiters === undefined) {
      waiters = createShelf();
      table.waitingOn.set(fact, waiters);
    }
    shelve(waiters, lane.waitNumber, lane);
  }
}

export function leaveWaiting(table: LaneTable, lane: Lane): void {
  unshelve(table.waiting, lane.waitNumber);
  for (const fact of lane.lacking ?? []) {
    const waiters = table.waitingOn.get(fact);
    if (waiters === undefined) continue;
    unshelve(waiters, lane.waitNumber);
    if (waiters.size === 0) table.waitingOn.delete(fact);
  }
  lane.lacking = null;
}
