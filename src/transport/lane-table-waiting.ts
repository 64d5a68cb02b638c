/**
 * Which lanes wait for which facts.
 *
 * A lane registers under every fact of what its head was found to lack, in the same step that found
 * it lacking; a fact that opens meets every lane that registered before, and a lane that looks
 * later finds the fact. As both are single steps, no order of the two loses a wake-up.
 */

import { factsIn, isAnyOf, isMet, noNeeds } from '../message/need.ts';
import type { Entry, Lane, LaneTable } from './lane-table.ts';
import { createShelf, shelve, unshelve } from './shelf.ts';
import type { FactId, Need } from './transport.ts';

/** What an entry waits for that is not met; null when nothing is missing. */
export function factsLacking({ facts }: LaneTable, entry: Entry): Need[] | null {
  let lacking: Need[] | null = null;
  for (const need of entry.needs) {
    if (!isMet(need, facts)) (lacking ??= []).push(need);
  }
  if (entry.story === null) return lacking;
  for (const need of entry.story.parkedFor) {
    if (!isMet(need, facts)) (lacking ??= []).push(need);
  }
  return lacking;
}

export function startWaiting(table: LaneTable, lane: Lane, lacking: readonly Need[]): void {
  table.lastNumber += 1;
  lane.waitNumber = table.lastNumber;
  lane.lacking = new Set(lacking);
  lane.choices = lacking.some(isAnyOf) ? lacking.filter(isAnyOf) : noNeeds;
  shelve(table.waiting, lane.waitNumber, lane);
  for (const fact of registered(lane)) {
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
  for (const fact of registered(lane)) {
    const waiters = table.waitingOn.get(fact);
    if (waiters === undefined) continue;
    unshelve(waiters, lane.waitNumber);
    if (waiters.size === 0) table.waitingOn.delete(fact);
  }
  lane.lacking = null;
  lane.choices = noNeeds;
}

/** A fact holds that the lane is registered under. Answers whether nothing lacks any more. */
export function meet({ lacking, choices }: Lane, fact: FactId): boolean {
  if (lacking === null) return false;
  lacking.delete(fact);
  for (const need of choices) if (factsIn(need).includes(fact)) lacking.delete(need);
  return lacking.size === 0;
}

/** Under the facts of a choice until it leaves, whether that was made or not. */
function registered({ lacking, choices }: Lane): Iterable<FactId> {
  if (lacking === null || choices.length === 0) return lacking ?? noNeeds;
  const plain = [...lacking].filter((need) => !isAnyOf(need));
  return new Set([...plain, ...choices.flatMap(factsIn)]);
}
