/**
 * Dead letters go back: each behind what its key holds by now, with its attempts, its failures and
 * its waiting begun anew; a blocked or diverted key as a whole, in its old places, and only then it
 * opens.
 *
 * Every step is one bounded transaction, so a key with a million diverted messages stays shut, in
 * order, until its last one is back.
 */

import type { RedriveQuery } from '../../transport/store.ts';
import { dropChore, stepRows } from './chores.ts';
import { laneState, mark } from './layout.ts';
import { tallyOf } from './ledger.ts';
import { parseFacts, placeAgain } from './place.ts';
import { letGoOn } from './return.ts';
import type { Session } from './session.ts';
import { record } from './story.ts';
import type { Subscription } from './topology.ts';

export type RunInTurn = <Answer>(run: (session: Session) => Answer) => Promise<Answer>;

/** Answers how many went back. */
export async function redrive(run: RunInTurn, query: RedriveQuery): Promise<number> {
  if ('all' in query) return redriveAll(run, query.subscription);
  const ids = await run((session) => findNamed(session, query));
  let count = 0;
  for (let from = 0; from < ids.length; from += stepRows) {
    count += await redriveSome(run, ids.slice(from, from + stepRows));
  }
  return count;
}

async function redriveAll(run: RunInTurn, name: string): Promise<number> {
  const bounds = await run(({ ledger, redrives }) => {
    const subscription = ledger.topology.subscriptions.get(name);
    if (subscription === undefined) return null;
    // What dies from now on is not sent back again.
    const last = redrives.lastOf.get(subscription.number)?.[0] ?? -1;
    return { number: subscription.number, last };
  });
  let count = 0;
  for (let after = -1; bounds !== null; ) {
    const { number, last } = bounds;
    const ids = await run(({ redrives }) => redrives.idsOf.all(number, after, last, stepRows));
    if (ids.length === 0) break;
    count += await redriveSome(run, ids.flat());
    after = ids[ids.length - 1]![0];
  }
  return count;
}

async function redriveSome(run: RunInTurn, ids: readonly number[]): Promise<number> {
  const { shut, ...first } = await run((session) => sendBack(session, ids));
  let { count } = first;
  for (const lane of shut) {
    for (let isOpen = false; !isOpen; ) {
      const step = await run((session) => reopenStep(session, lane));
      count += step.count;
      isOpen = step.isOpen;
    }
  }
  return count;
}

/** The row ids that the query means, in the order they were published in. */
function findNamed(
  { ledger, redrives }: Session,
  { ids, subscription }: Extract<RedriveQuery, { ids: readonly string[] }>,
): number[] {
  const number =
    subscription === null ? null : ledger.topology.subscriptions.get(subscription)?.number;
  const found = new Set<number>();
  for (const id of ids) {
    for (const [row, of] of redrives.named.all(id)) {
      if (number === null || number === of) found.add(row);
    }
  }
  return [...found].toSorted((a, b) => a - b);
}

interface SentBack {
  readonly count: number;
  /** Lanes that these letters hold shut. */
  readonly shut: ReadonlySet<number>;
}

function sendBack(session: Session, ids: readonly number[]): SentBack {
  const { ledger, redrives } = session;
  const shut = new Set<number>();
  let count = 0;
  for (const id of ids) {
    const row = redrives.dead.get(id);
    const subscription = row === undefined ? undefined : ledger.topology.byNumber.get(row[1]);
    if (row === undefined || subscription === undefined) continue;
    if (row[2] !== 0) {
      shut.add(row[2]);
      continue;
    }
    count += 1;
    const { lane, state } = sendOneBack(session, subscription, row);
    if (state === laneState.blocked || state === laneState.diverted) shut.add(lane);
  }
  return { count, shut };
}

type DeadRow = NonNullable<ReturnType<Session['redrives']['dead']['get']>>;

function sendOneBack(
  { ledger, redrives }: Session,
  subscription: Subscription,
  row: DeadRow,
): { readonly lane: number; readonly state: number } {
  const [old, , , key, topicNumber, messageId, reason, attempt, acceptedAt, headers, facts, body] =
    row;
  const topic = ledger.topology.topicByNumber.get(topicNumber)!;
  const parcel = { id: messageId, topic, body, headers, key, facts: parseFacts(facts), acceptedAt };
  redrives.remove.run(old);
  redrives.removeFailure.run(old);
  const { id, lane, state } = placeAgain(ledger, subscription, parcel);
  redrives.moveJournal.run(id, old);
  redrives.startOver.run(id, ledger.now);
  record(ledger, id, { event: 'redriven', attempt, detail: reason });
  tallyOf(ledger, subscription).dead -= 1;
  return { lane, state };
}

interface Reopening {
  readonly count: number;
  readonly isOpen: boolean;
}

/** Puts the next dead letters of a shut lane back in their places; opens it after the last one. */
export function reopenStep({ ledger, redrives }: Session, lane: number): Reopening {
  const row = ledger.lanes.byNumber.get(lane);
  const subscription = row === undefined ? undefined : ledger.topology.byNumber.get(row[0]);
  if (row === undefined || subscription === undefined) return { count: 0, isOpen: true };
  const [, , name, state] = row;
  if (state !== laneState.blocked && state !== laneState.diverted)
    return { count: 0, isOpen: true };
  dropChore(ledger, { kind: 'divert', name: name ?? '', subject: lane });
  const letters = redrives.ofLane.all(lane, stepRows);
  for (const [id, attempt, reason] of letters) {
    redrives.restore.run(id);
    ledger.messages.note.run(0, mark.storied, id);
    redrives.startOver.run(id, ledger.now);
    redrives.remove.run(id);
    record(ledger, id, { event: 'redriven', attempt, detail: reason });
  }
  const tally = tallyOf(ledger, subscription);
  tally.dead -= letters.length;
  tally.ready += letters.length;
  if (letters.length === stepRows) return { count: letters.length, isOpen: false };
  letGoOn(ledger, lane);
  return { count: letters.length, isOpen: true };
}
