/**
 * Facts: latched rows, and lanes whose head waits for some of them.
 *
 * A lane registers for every fact of its head in the transaction that found one missing, and a fact
 * is latched in the transaction that looks for its waiters. One writer at a time makes these two
 * meet in either order, so no wake-up is lost. More waiters than one transaction should wake are a
 * chore: late waiters see the latch, the others are woken step by step by any process.
 */

import { factsIn, isMet } from '../../message/need.ts';
import type { EngineEvent, FactId, Need } from '../../transport/transport.ts';
import { addChore, dropChore, type Step, stepRows } from './chores.ts';
import { laneFlag, lastTickOf, mark, readyState, ticksOf } from './layout.ts';
import { type Ledger, tallyOf } from './ledger.ts';
import { parseFacts } from './need-text.ts';
import { letGoOn } from './return.ts';
import type { Session } from './session.ts';
import { record } from './story.ts';
import type { Subscription } from './topology.ts';

export function holds(ledger: Ledger, fact: FactId): boolean {
  let known = ledger.known.get(fact);
  if (known === undefined) {
    known = ledger.facts.holds.get(fact) !== undefined;
    ledger.known.set(fact, known);
  }
  return known;
}

/** What is not met; null when nothing is missing. */
export function lackingOf(ledger: Ledger, needs: readonly Need[]): Need[] | null {
  const holding = { has: (fact: FactId) => holds(ledger, fact) };
  let lacking: Need[] | null = null;
  for (const need of needs) {
    if (!isMet(need, holding)) (lacking ??= []).push(need);
  }
  return lacking;
}

/** What the head of a waiting lane lacks, for those who only look. */
export function lackingNow({ facts }: Ledger, lane: number): readonly Need[] {
  const holding = { has: (fact: FactId) => facts.holds.get(fact) !== undefined };
  const needs = parseFacts(facts.waitingHead.get(lane)?.[6] ?? null);
  return needs.filter((need) => !isMet(need, holding));
}

export function waitingEvent(
  { name: subscription }: Subscription,
  id: string,
  facts: readonly Need[],
): EngineEvent & { readonly kind: 'waiting' } {
  return { kind: 'waiting', facts, subscription, id };
}

export function startWaiting(
  ledger: Ledger,
  lane: number,
  facts: readonly Need[],
  deadlineAt: number,
): void {
  for (const fact of facts.flatMap(factsIn)) ledger.facts.wait.run(fact, lane);
  if (deadlineAt < ledger.dueAt) ledger.dueAt = deadlineAt;
}

/** Latches a fact and wakes who waits for it: the first lanes at once, the others as a chore. */
export function openFact(session: Session, fact: FactId): void {
  const { ledger } = session;
  if (Number(ledger.facts.open.run(fact, ledger.now).changes) === 0) return;
  ledger.known.set(fact, true);
  tellFollowers(ledger, fact, 1);
  const next = wakeSome(session, fact, 0);
  if (next !== null) addChore(ledger, { kind: 'wake', name: fact, subject: 0 }, next);
}

export function closeFact({ ledger }: Session, fact: FactId): void {
  if (Number(ledger.facts.close.run(fact).changes) > 0) tellFollowers(ledger, fact, 0);
  ledger.known.set(fact, false);
  dropChore(ledger, { kind: 'wake', name: fact, subject: 0 });
}

/** How many changes the log holds at least, and after how many it is cut. */
const logRows = 20_000;
const cutEvery = 256;

/** Where messages of another engine may wait for it. */
function tellFollowers(ledger: Ledger, fact: FactId, opened: 0 | 1): void {
  const { facts } = ledger;
  if (facts.isFollowed.get() === undefined) return;
  const [number] = facts.log.get(fact, opened)!;
  if (number % cutEvery === 0) facts.cutLog.run(number - logRows);
  ledger.stirred = true;
}

export const wakeStep: Step = (session, { name }, position) => wakeSome(session, name, position);

/** Looks at the lanes that wait for a fact, from a lane on; answers where to go on, or null. */
function wakeSome(session: Session, fact: FactId, after: number): number | null {
  const waiters = session.ledger.facts.waiters.all(fact, after, stepRows);
  for (const [lane] of waiters) wakeIfReady(session, lane, fact);
  return waiters.length < stepRows ? null : waiters[waiters.length - 1]![0];
}

function wakeIfReady(session: Session, lane: number, fact: FactId): void {
  const { ledger, events } = session;
  const head = ledger.facts.waitingHead.get(lane);
  if (head !== undefined && lackingOf(ledger, parseFacts(head[6])) !== null) return;
  ledger.facts.stopWaiting.run(lane);
  if (head === undefined) return;
  const [number, id, acceptedAt, attempt, marks, messageId] = head;
  const subscription = ledger.topology.byNumber.get(number);
  if (subscription === undefined) return;
  const readyAt = ticksOf(acceptedAt, id);
  ledger.lanes.giveBackAt.run(readyState(marks), readyAt, laneFlag.none, 0, lane);
  const tally = tallyOf(ledger, subscription);
  tally.waiting -= 1;
  tally.ready += 1;
  ledger.stirred = true;
  if (ledger.keepsJournal) {
    ledger.messages.note.run(attempt, marks | mark.storied, id);
    record(ledger, id, { event: 'woken', attempt: attempt + 1, detail: fact });
  }
  events.push({ kind: 'woken', fact, subscription: subscription.name, id: messageId });
}

/** Waiting lanes whose deadline has passed are ready; their claim sees what still lacks. */
export function endOverdueWaits(session: Session): void {
  const { ledger } = session;
  for (const { subscription } of session.consumers) {
    if (subscription === null || subscription.isGone) continue;
    const until = lastTickOf(ledger.now);
    const overdue = ledger.lanes.overdue.all(subscription.number, until, stepRows);
    for (const [lane] of overdue) {
      ledger.facts.stopWaiting.run(lane);
      letGoOn(ledger, lane);
      const tally = tallyOf(ledger, subscription);
      tally.waiting -= 1;
      tally.ready += 1;
    }
    if (overdue.length === stepRows) ledger.dueAt = ledger.now;
  }
}
