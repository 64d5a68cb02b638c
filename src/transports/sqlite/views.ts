/** What the file says about one message: a view for every subscription that has or had it. */

import type { JournalEntry, MessageState, MessageView } from '../../transport/store.ts';
import type { DeadReason, FactId } from '../../transport/transport.ts';
import { noSubscription } from './cancel.ts';
import { lackingNow } from './facts.ts';
import { laneFlag, laneState, mark, msOf, subscriptionOf } from './layout.ts';
import { findMessages } from './naming.ts';
import { endOf } from './past.ts';
import type { Session } from './session.ts';
import { longestStory } from './story.ts';
import type { Subscription } from './topology.ts';

/** Call it inside a transaction: the tables must tell of one moment. */
export function viewsOf(session: Session, id: string, now: number): MessageView[] {
  const alive = [
    ...viewsOfDead(session, id),
    ...viewsOfMessages(session, id, now),
    ...viewsOfLater(session, id),
    ...viewsOfKept(session, id, now),
  ];
  const known = [...viewsOfPast(session, id, now), ...alive];
  return [...viewsOfGone(session, id, known), ...known];
}

type Known = Pick<MessageView, 'id' | 'state' | 'acceptedAt'> & Partial<MessageView>;

function view(topic: string, known: Known): MessageView {
  return {
    topic,
    subscription: null,
    key: null,
    attempts: 0,
    readyAt: null,
    waitingFor: [],
    reason: null,
    history: [],
    ...known,
  };
}

function viewsOfMessages(session: Session, id: string, now: number): MessageView[] {
  const { ledger } = session;
  const found: MessageView[] = [];
  for (const row of findMessages(session, id)) {
    const [number, lane, acceptedAt, attempt, marks, topic, key] = row;
    const subscription = ledger.topology.byNumber.get(subscriptionOf(number));
    if (subscription === undefined) continue;
    const standing =
      lane === 0 ? looseStanding(session, number) : laneStanding(session, lane, number);
    // A dead head is shown as the dead letter it is.
    if (standing === null) continue;
    const { state, readyAt, name, waitingFor } = standing;
    const isTimed = state === 'retrying' && readyAt !== null && readyAt > now;
    found.push(
      view(topicName(session, topic), {
        id,
        subscription: subscription.name,
        state: state === 'retrying' && !isTimed ? 'ready' : state,
        key: key ?? name,
        attempts: attempt,
        acceptedAt,
        readyAt: isTimed ? readyAt : null,
        waitingFor,
        history: (marks & mark.storied) === 0 ? [] : historyOf(session, number),
      }),
    );
  }
  return found;
}

interface Stand {
  readonly state: MessageState;
  readonly readyAt: number | null;
  readonly name: string | null;
  readonly waitingFor: readonly FactId[];
}

function looseStanding({ views }: Session, id: number): Stand {
  const state = views.leaseOver.get(id) === undefined ? 'ready' : 'leased';
  return { state, readyAt: null, name: null, waitingFor: [] };
}

/** Null for the dead head of a blocked lane. */
function laneStanding({ ledger }: Session, lane: number, id: number): Stand | null {
  const row = ledger.lanes.byNumber.get(lane);
  if (row === undefined) return null;
  const [, , name, state, readyAt, , upto, flags] = row;
  const ready: Stand = { state: 'ready', readyAt: null, name, waitingFor: [] };
  if (state === laneState.leased) return id <= upto ? { ...ready, state: 'leased' } : ready;
  const isHead = ledger.messages.headOfLane.get(lane)?.[0] === id;
  if (!isHead) return ready;
  if (state === laneState.blocked) return null;
  if (state === laneState.waiting) {
    return { ...ready, state: 'waiting', waitingFor: lackingNow(ledger, lane) };
  }
  return (flags & laneFlag.retrying) === 0
    ? ready
    : { ...ready, state: 'retrying', readyAt: msOf(readyAt) };
}

function viewsOfDead(session: Session, id: string): MessageView[] {
  const { views, ledger } = session;
  const found: MessageView[] = [];
  for (const row of views.deadNamed.all(id, -1, mostViews)) {
    const [number, subscriber, , key, topic, , reason, attempts, acceptedAt] = row;
    const subscription = ledger.topology.byNumber.get(subscriber);
    if (subscription === undefined) continue;
    found.push(
      view(topicName(session, topic), {
        id,
        subscription: subscription.name,
        state: 'dead',
        key,
        attempts,
        acceptedAt,
        reason: reason as DeadReason,
        history: historyOf(session, number),
      }),
    );
  }
  return found;
}

function viewsOfPast(session: Session, id: string, now: number): MessageView[] {
  const { ledger } = session;
  const found: MessageView[] = [];
  for (const row of ledger.past.named.all(id, now)) {
    const [number, topic, key, attempts, acceptedAt, deliveredAt] = row;
    const subscription = ledger.topology.byNumber.get(subscriptionOf(number));
    if (subscription === undefined) continue;
    found.push(
      view(topicName(session, topic), {
        id,
        subscription: subscription.name,
        state: deliveredAt === null ? 'cancelled' : 'done',
        key,
        attempts,
        acceptedAt,
        history: [...historyOf(session, number), ...endOf(row)].slice(-longestStory),
      }),
    );
  }
  return found;
}

function viewsOfLater(session: Session, id: string): MessageView[] {
  const { views, ledger } = session;
  const found: MessageView[] = [];
  for (const [, number, readyAt, acceptedAt, topic, givenKey] of views.later.all(id)) {
    const subscription = ledger.topology.byNumber.get(number);
    if (subscription === undefined) continue;
    const { name, isOrdered } = subscription;
    const key = isOrdered ? givenKey : null;
    const known = { id, subscription: name, state: 'scheduled', key, acceptedAt, readyAt } as const;
    found.push(view(topicName(session, topic), known));
  }
  return found;
}

function viewsOfKept(session: Session, id: string, now: number): MessageView[] {
  return session.views.kept.all(id).map(([, dueAt, acceptedAt, topic, key]) => {
    const state = dueAt > now ? 'scheduled' : 'ready';
    const readyAt = dueAt > now ? dueAt : null;
    return view(topicName(session, topic), { id, state, key, acceptedAt, readyAt });
  });
}

/**
 * Messages that named something to be recognised by are remembered after they are gone; how often
 * they ran is not.
 */
function viewsOfGone(session: Session, id: string, alive: readonly MessageView[]): MessageView[] {
  const seen = session.views.seen.get(id);
  if (seen === undefined) return [];
  const [, topicNumber, acceptedAt, sequence, list] = seen;
  const topic = topicName(session, topicNumber);
  const cancelled = list === null ? [] : (JSON.parse(list) as number[]);
  const has = (name: string | null): boolean =>
    alive.some(({ subscription }) => subscription === name);
  if (has(null)) return [];
  if (cancelled.includes(noSubscription)) {
    return [view(topic, { id, state: 'cancelled', attempts: 0, acceptedAt })];
  }
  return [...session.ledger.topology.byNumber.values()]
    .filter((subscription) => hadIt(subscription, { topic, sequence }) && !has(subscription.name))
    .map(({ name, number }) => {
      const state = cancelled.includes(number) ? 'cancelled' : 'done';
      return view(topic, { id, subscription: name, state, attempts: null, acceptedAt });
    });
}

function hadIt(
  { topics, since }: Subscription,
  { topic, sequence }: { readonly topic: string; readonly sequence: number },
): boolean {
  return since <= sequence && topics.includes(topic);
}

/** One message has one view of each kind per subscription. */
const mostViews = 2_000;

function topicName({ ledger }: Session, number: number): string {
  return ledger.topology.topicByNumber.get(number)?.name ?? '';
}

function historyOf({ views }: Session, id: number): JournalEntry[] {
  return views.journal
    .all(id)
    .map(([at, event, attempt, detail]) => ({ at, event, attempt, detail }));
}
