/**
 * Looking at the file and acting on it. A look is one short read transaction and holds nothing when
 * it is over; what acts goes through the turns like everything else.
 */

import type {
  DeadLetter,
  DeadQuery,
  Page,
  Store,
  SubscriptionView,
  WaitingMessage,
  WaitingQuery,
} from '../../transport/store.ts';
import type { DeadReason, Failure } from '../../transport/transport.ts';
import { cancel } from './cancel.ts';
import { lackingNow } from './facts.ts';
import { endOfRange, keyedRange, looseRange, msOf } from './layout.ts';
import { checkLimit, pageOf, readCursor, writeCursor } from './pages.ts';
import { redrive, type RunInTurn } from './redrive.ts';
import type { Session } from './session.ts';
import { setPaused, specificationOf } from './subscribe.ts';
import { createTally, depthOf, loadTally } from './tally.ts';
import type { Subscription } from './topology.ts';
import { viewsOf } from './views.ts';

export interface StoreDoors {
  /** Inside the next turn. */
  readonly run: RunInTurn;
  /** At once, in a transaction that reads. */
  readonly read: <Answer>(look: (session: Session) => Answer) => Promise<Answer>;
  readonly now: () => number;
}

export function createStore({ run, read, now }: StoreDoors): Store {
  return {
    get: (id) => read((session) => viewsOf(session, id, now())),
    cancel: (id, name) =>
      run((session) => {
        const only = numberOf(session, name ?? null);
        return only === undefined ? 'not-found' : cancel(session, id, only);
      }),
    dead: (query) => read((session) => deadPage(session, query)),
    redrive: (query) => redrive(run, query),
    waiting: (query) => read((session) => waitingPage(session, query)),
    subscriptions: () =>
      read((session) =>
        [...session.ledger.topology.subscriptions.values()].map((one) =>
          viewOf(session, one, now()),
        ),
      ),
    setPaused: (name, paused) => run((session) => setPaused(session, name, paused)),
  };
}

function viewOf(session: Session, subscription: Subscription, now: number): SubscriptionView {
  const { ledger, views, rows } = session;
  // A tally of its own: the one of the subscription belongs to the turns.
  const tally = createTally(subscription.number);
  loadTally(ledger.rows, tally);
  const { scheduled, ready, leased, retrying, waiting, dead, done, cancelled } = tally;
  const depth = depthOf(tally);
  return {
    ...specificationOf(subscription),
    paused: subscription.isPaused,
    stats: {
      oldestAt: oldestOf(session, subscription.number),
      depth,
      scheduled,
      ready,
      leased,
      retrying,
      waiting,
      dead,
      done,
      cancelled,
    },
    blockedKeys: views.blocked.all(subscription.number).flat(),
    consumers: rows.consumers.get(now, subscription.name)![0],
    partitions: null,
  };
}

function oldestOf({ views }: Session, number: number): number | null {
  const times = [looseRange(number), keyedRange(number)].flatMap(
    (range) => views.oldest.get(range, endOfRange(range)) ?? [],
  );
  return times.length === 0 ? null : Math.min(...times);
}

const emptyPage = { items: [], next: null } as const;

type DeadRow = NonNullable<ReturnType<Session['views']['dead']['get']>>;

function deadPage(session: Session, query: DeadQuery): Page<DeadLetter> {
  const limit = checkLimit(query);
  const [after = -1] = readCursor('d', query.cursor, 1);
  const number = numberOf(session, query.subscription);
  if (number === undefined) return emptyPage;
  return pageOf(deadRows(session, { id: query.id, number, after, limit: limit + 1 }), limit, {
    item: (row) => letterOf(session, row),
    cursor: (row) => writeCursor('d', [row[0]]),
  });
}

function deadRows(
  { views }: Session,
  query: {
    readonly id: string | null;
    readonly number: number | null;
    readonly after: number;
    readonly limit: number;
  },
): DeadRow[] {
  const { id, number, after, limit } = query;
  if (id === null) {
    return number === null ? views.dead.all(after, limit) : views.deadOf.all(number, after, limit);
  }
  if (number === null) return views.deadNamed.all(id, after, limit);
  return views.deadNamedOf.all(id, number, after, limit);
}

function letterOf({ ledger }: Session, row: DeadRow): DeadLetter {
  const [, number, , key, topic, id, reason, attempts, acceptedAt, diedAt, headers, , body] = row;
  const failures = row.slice(13) as (string | null)[];
  return {
    id,
    topic: ledger.topology.topicByNumber.get(topic)?.name ?? '',
    subscription: ledger.topology.byNumber.get(number)?.name ?? '',
    key,
    reason: reason as DeadReason,
    attempts,
    acceptedAt,
    diedAt,
    firstFailure: failureOf(failures.slice(0, 3)),
    lastFailure: failureOf(failures.slice(3)),
    body,
    headers,
  };
}

function failureOf([name = null, message = null, more = null]: (string | null)[]): Failure | null {
  if (name === null || message === null) return null;
  return { name, message, ...(more === null ? {} : (JSON.parse(more) as object)) };
}

type WaitingRow = NonNullable<ReturnType<Session['views']['waiting']['get']>>;

function waitingPage(session: Session, query: WaitingQuery): Page<WaitingMessage> {
  const limit = checkLimit(query);
  const number = numberOf(session, query.subscription);
  const { fact } = query;
  const kind = fact === null ? 'w' : 'f';
  const cursor = readCursor(kind, query.cursor, fact === null ? 3 : 1);
  if (number === undefined) return emptyPage;
  // Who registered for a fact that holds waits for another one.
  if (fact !== null && session.ledger.facts.holds.get(fact) !== undefined) return emptyPage;
  const rows = waitingRows(session, { fact, number, cursor, limit: limit + 1 });
  return pageOf(rows, limit, {
    item: (row) => waitingOf(session, row),
    cursor: ([lane, subscription, , readyAt]) =>
      writeCursor(kind, fact === null ? [subscription, readyAt, lane] : [lane]),
  });
}

function waitingRows(
  { views }: Session,
  query: {
    readonly fact: string | null;
    readonly number: number | null;
    readonly cursor: readonly number[];
    readonly limit: number;
  },
): WaitingRow[] {
  const { fact, number, cursor, limit } = query;
  const [first = -1, readyAt = -1, lane = -1] = cursor;
  if (fact === null) {
    if (number === null) return views.waiting.all(first, readyAt, lane, limit);
    return views.waitingOf.all(number, readyAt, lane, limit);
  }
  // The lanes of a subscription are in its two ranges, which are neighbours.
  const from = number === null ? first : Math.max(first, looseRange(number));
  const end = number === null ? Number.MAX_SAFE_INTEGER : endOfRange(keyedRange(number));
  return views.waitingFor.all(fact, from, end, limit);
}

function waitingOf({ ledger }: Session, row: WaitingRow): WaitingMessage {
  const [lane, number, name, readyAt, topic, id, acceptedAt, key] = row;
  return {
    id,
    topic: ledger.topology.topicByNumber.get(topic)?.name ?? '',
    subscription: ledger.topology.byNumber.get(number)?.name ?? '',
    key: key ?? name,
    waitingFor: lackingNow(ledger, lane),
    acceptedAt,
    deadlineAt: msOf(readyAt),
  };
}

/** Undefined where no subscription has the name; null where none is asked for. */
function numberOf({ ledger }: Session, name: string | null): number | null | undefined {
  return name === null ? null : ledger.topology.subscriptions.get(name)?.number;
}
