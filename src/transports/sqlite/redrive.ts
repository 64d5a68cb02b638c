/**
 * Dead letters go back: each behind what its key holds by now, with its attempts, its failures and
 * its waiting begun anew; a blocked or diverted key as a whole, in its old places, and only then it
 * opens.
 *
 * Every step is one bounded transaction, so a key with a million diverted messages stays shut, in
 * order, until its last one is back. What is left is a chore from the first step on: a redrive that
 * is cut short goes on without whoever asked for it.
 */

import { type DeadFilter, isMeant } from '../../transport/dead-filter.ts';
import type { RedriveQuery } from '../../transport/store.ts';
import type { DeadReason } from '../../transport/transport.ts';
import { addChore, type Chore, dropChore, hasChore, type Step, stepRows } from './chores.ts';
import { laneState, mark } from './layout.ts';
import { tallyOf } from './ledger.ts';
import { parseFacts } from './need-text.ts';
import { placeAgain, placeFor } from './place.ts';
import { letGoOn } from './return.ts';
import type { Session } from './session.ts';
import { record } from './story.ts';
import type { Subscription } from './topology.ts';

export type RunInTurn = <Answer>(run: (session: Session) => Answer) => Promise<Answer>;

/** Answers how many went back. */
export async function redrive(run: RunInTurn, query: RedriveQuery): Promise<number> {
  if ('all' in query) return redriveAll(run, query);
  const ids = await run((session) => findNamed(session, query));
  let count = 0;
  for (let from = 0; from < ids.length; from += stepRows) {
    count += await redriveSome(run, ids.slice(from, from + stepRows));
  }
  return count;
}

type QueryOfAll = Extract<RedriveQuery, { readonly all: true }>;

async function redriveAll(run: RunInTurn, query: QueryOfAll): Promise<number> {
  const bounds = await run(({ ledger, redrives }) => {
    const subscription = ledger.topology.subscriptions.get(query.subscription);
    if (subscription === undefined) return null;
    // What dies from now on is not sent back again.
    const last = redrives.lastOf.get(subscription.number)?.[0] ?? -1;
    return { number: subscription.number, last };
  });
  const { only, limit = Infinity } = query;
  let count = 0;
  for (let after = -1; bounds !== null && count < limit; ) {
    const { number, last } = bounds;
    const range = [number, after, last, stepRows] as const;
    const { ids, end } = await run((session) => nextMeant(session, range, only));
    if (end === null) break;
    if (ids.length > 0) count += await redriveSome(run, ids, limit - count);
    after = end;
  }
  return count;
}

interface Meant {
  readonly ids: readonly number[];
  /** The last one that was looked at; null where there was none. */
  readonly end: number | null;
}

function nextMeant(
  { ledger, redrives }: Session,
  range: readonly [subscription: number, after: number, last: number, rows: number],
  only: DeadFilter | undefined,
): Meant {
  if (only === undefined) {
    const ids = redrives.idsOf.all(...range).flat();
    return { ids, end: ids.at(-1) ?? null };
  }
  const rows = redrives.traitsOf.all(...range);
  const meant = rows.filter(([, topic, reason, key, diedAt, failure]) =>
    isMeant(only, {
      topic: ledger.topology.topicByNumber.get(topic)?.name ?? '',
      reason: reason as DeadReason,
      key,
      diedAt,
      lastFailure: failure === null ? null : { name: failure },
    }),
  );
  return { ids: meant.map(([id]) => id), end: rows.at(-1)?.[0] ?? null };
}

async function redriveSome(
  run: RunInTurn,
  ids: readonly number[],
  limit = Infinity,
): Promise<number> {
  const { count, shut } = await run((session) => sendBack(session, ids, limit));
  for (const lane of shut) while (!(await run((session) => goOnOpening(session, lane))));
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
  /** Those of shut lanes included, which only begin to go back. */
  readonly count: number;
  /** Lanes that these letters hold shut. */
  readonly shut: ReadonlySet<number>;
}

function sendBack(session: Session, ids: readonly number[], limit: number): SentBack {
  const { ledger, redrives } = session;
  const shut = new Set<number>();
  let count = 0;
  const open = (lane: number): void => {
    if (shut.has(lane)) return;
    shut.add(lane);
    count += beginOpening(session, lane);
  };
  for (const id of ids) {
    if (count >= limit) break;
    const row = redrives.dead.get(id);
    const subscription = row === undefined ? undefined : ledger.topology.byNumber.get(row[1]);
    if (row === undefined || subscription === undefined) continue;
    if (row[2] !== 0) {
      open(row[2]);
      continue;
    }
    count += 1;
    const { lane, state } = sendOneBack(session, subscription, row);
    if (state === laneState.blocked || state === laneState.diverted) open(lane);
  }
  return { count, shut };
}

/** Answers how many letters hold the lane shut, unless it is being opened already. */
function beginOpening({ ledger, redrives }: Session, lane: number): number {
  if (hasChore(ledger, opening(lane))) return 0;
  addChore(ledger, opening(lane));
  return redrives.countOfLane.get(lane)![0];
}

function opening(lane: number): Chore {
  return { kind: 'reopen', name: '', subject: lane };
}

/** Answers whether the lane is open, by whomever. */
function goOnOpening(session: Session, lane: number): boolean {
  const chore = opening(lane);
  if (!hasChore(session.ledger, chore)) return true;
  if (reopenStep(session, chore, 0) !== null) return false;
  dropChore(session.ledger, chore);
  return true;
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
  const id = placeFor(ledger, subscription, parcel);
  redrives.moveJournal.run(id, old);
  redrives.startOver.run(id, ledger.now);
  record(ledger, id, { event: 'redriven', attempt, detail: reason });
  tallyOf(ledger, subscription).dead -= 1;
  return placeAgain(ledger, subscription, { parcel, id });
}

/** Puts the next dead letters of a shut lane back in their places; opens it after the last one. */
export const reopenStep: Step = ({ ledger, redrives }, { subject: lane }) => {
  const row = ledger.lanes.byNumber.get(lane);
  const subscription = row === undefined ? undefined : ledger.topology.byNumber.get(row[0]);
  if (row === undefined || subscription === undefined) return null;
  const [, , name, state] = row;
  if (state !== laneState.blocked && state !== laneState.diverted) return null;
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
  if (letters.length === stepRows) return 0;
  letGoOn(ledger, lane);
  return null;
};
