/**
 * Cancels a message wherever it is, unless it is leased at the moment. What it held up goes on: its
 * lane with the next message, a key that it kept shut as a dead letter.
 */

import type { CancelOutcome } from '../../transport/store.ts';
import { dropChore } from './chores.ts';
import { laneFlag, laneState, mark, subscriptionOf } from './layout.ts';
import { tallyOf } from './ledger.ts';
import { findMessages } from './naming.ts';
import { type Cancelled, keepCancelled } from './past.ts';
import { rememberFromEnd } from './repetitions.ts';
import { letGoOn } from './return.ts';
import type { Session } from './session.ts';
import { forgetFailures, forgetStory } from './story.ts';
import type { Subscription } from './topology.ts';

/** @param only - the number of a subscription; null for whoever has it */
export function cancel(session: Session, id: string, only: number | null): CancelOutcome {
  const { views, ledger } = session;
  const { shelves } = ledger;
  const meant = (number: number): Subscription | undefined =>
    only === null || number === only ? ledger.topology.byNumber.get(number) : undefined;
  const cancelled: number[] = [];
  let isLeased = false;
  // The dead head of a blocked lane is in two tables; as a dead letter it goes first.
  for (const letter of views.deadNamed.all(id, -1, mostAtOnce)) {
    const [row, number, lane, key, topic, , , attempt, acceptedAt] = letter;
    const subscription = meant(number);
    if (subscription === undefined) continue;
    const gone = { row, id, topic, key, attempt, acceptedAt };
    cancelDead(session, subscription, { cancelled: gone, lane });
    cancelled.push(number);
  }
  for (const message of findMessages(session, id)) {
    const number = subscriptionOf(message[0]);
    const subscription = meant(number);
    if (subscription === undefined) continue;
    if (cancelMessage(session, subscription, { id, message })) cancelled.push(number);
    else isLeased = true;
  }
  for (const [row, number, , acceptedAt, topic, key] of views.later.all(id)) {
    const subscription = meant(number);
    if (subscription === undefined) continue;
    shelves.removeLater.run(row);
    const tally = tallyOf(ledger, subscription);
    tally.scheduled -= 1;
    tally.cancelled += 1;
    keepCancelled(ledger, {
      row,
      id,
      topic,
      key: subscription.isOrdered ? key : null,
      attempt: 0,
      acceptedAt,
    });
    cancelled.push(number);
  }
  for (const [row] of only === null ? views.kept.all(id) : []) {
    shelves.removeKept.run(row);
    cancelled.push(noSubscription);
  }
  if (cancelled.length === 0) return isLeased ? 'leased' : 'not-found';
  const before = views.seen.get(id)?.[4] ?? null;
  const all = [...(before === null ? [] : (JSON.parse(before) as number[])), ...cancelled];
  views.setCancelled.run(JSON.stringify(all), id);
  rememberFromEnd(ledger, { id, acceptedAt: Number.NEGATIVE_INFINITY });
  return 'cancelled';
}

/** In the list of those who had a message cancelled: it was kept for nobody. */
export const noSubscription = -1;

/** One message has one letter per subscription. */
const mostAtOnce = 2_000;

type Row = NonNullable<ReturnType<Session['views']['messages']['get']>>;

/** Answers false for what is leased. */
function cancelMessage(
  session: Session,
  subscription: Subscription,
  { id: name, message }: { readonly id: string; readonly message: Row },
): boolean {
  const { ledger, views } = session;
  const [id, lane, acceptedAt, attempt, marks, topic, key] = message;
  const tally = tallyOf(ledger, subscription);
  let laneName: string | null = null;
  if (lane === 0) {
    const isClaimed = id <= tally.claimed && views.leaseOver.get(id) !== undefined;
    if (isClaimed) return false;
    tally.ready -= 1;
  } else {
    const row = ledger.lanes.byNumber.get(lane)!;
    const [, , named, state, , , upto, flags] = row;
    laneName = named;
    if (state === laneState.leased && id <= upto) return false;
    const isHead = ledger.messages.headOfLane.get(lane)?.[0] === id;
    if (isHead && state === laneState.waiting) tally.waiting -= 1;
    else if (isHead && (flags & laneFlag.retrying) !== 0) tally.retrying -= 1;
    else tally.ready -= 1;
    ledger.messages.remove.run(id);
    if (isHead && state !== laneState.leased && state !== laneState.diverted) {
      ledger.facts.stopWaiting.run(lane);
      letGoOn(ledger, lane);
    }
  }
  tally.cancelled += 1;
  ledger.messages.remove.run(id);
  const known = { id: name, topic, attempt, acceptedAt };
  const isKept = keepCancelled(ledger, { row: id, key: key ?? laneName, ...known });
  if ((marks & mark.storied) !== 0) (isKept ? forgetFailures : forgetStory)(ledger, id);
  return true;
}

function cancelDead(
  session: Session,
  subscription: Subscription,
  { cancelled, lane }: { readonly cancelled: Cancelled; readonly lane: number },
): void {
  const { ledger, redrives } = session;
  const tally = tallyOf(ledger, subscription);
  tally.dead -= 1;
  tally.cancelled += 1;
  const { row } = cancelled;
  redrives.remove.run(row);
  const isKept = keepCancelled(ledger, cancelled);
  (isKept ? forgetFailures : forgetStory)(ledger, row);
  if (lane === 0) return;
  ledger.messages.remove.run(row);
  if (redrives.anyOfLane.get(lane) !== undefined) return;
  const name = ledger.lanes.byNumber.get(lane)?.[2] ?? '';
  dropChore(ledger, { kind: 'divert', name, subject: lane });
  dropChore(ledger, { kind: 'reopen', name: '', subject: lane });
  letGoOn(ledger, lane);
}
