/**
 * What happened in a random run, as its processes saw it: written down while it happens, judged by
 * `history-check.ts` when it is over.
 *
 * A step whose answer never came, because its process died first, happened or did not: the record
 * keeps it as `maybe`, and the judge accepts both.
 */

import type { Delivery, EngineEvent, OnDead, Settlement } from '../../transport/transport.ts';
import { idsOf, type Draft } from './settlements.ts';

export interface History {
  readonly onDead: OnDead;
  readonly published: Map<string, Published>;
  readonly deliveries: Delivered[];
  readonly settlements: Settled[];
  /** Ids that were cancelled for certain, by the order in which that was known. */
  readonly cancelled: Map<string, number>;
  /** Ids that were dead at some time, or may have been. */
  readonly died: Set<string>;
  /** Ids that a process settled, in whatever way, which crashed after that. */
  readonly settledByDead: Set<string>;
  readonly fulfilled: Set<string>;
  readonly departures: Departure[];
  readonly told: Told[];
  /** Counts what happens; a later number means known later. */
  now(): number;
}

export interface Publisher {
  readonly process: string;
  readonly means: 'publish' | 'ack';
  readonly clockAt: number;
}

export type Fate = 'stored' | 'refused' | 'maybe';

export interface Published {
  readonly draft: Draft;
  /** By a publish of its own, or with an ack. */
  readonly by: Publisher;
  readonly calledAt: number;
  readonly position: number;
  /** When the answer was known. Infinite while it is not. */
  answeredAt: number;
  fate: Fate;
  /** By the clock: not to be delivered before. */
  dueAt: number;
}

export interface Delivered {
  readonly by: string;
  readonly delivery: Delivery;
  readonly at: number;
  readonly clockAt: number;
}

export interface Settled {
  readonly by: string;
  readonly settlement: Settlement;
  readonly calledAt: number;
  readonly clockAt: number;
  outcome: string;
}

/** A process went, with a moment to say so or without. */
export interface Departure {
  readonly process: string;
  readonly how: 'crashed' | 'closed';
  readonly at: number;
}

/** What the engine did by itself, as a process heard it. */
export interface Told {
  readonly process: string;
  readonly event: EngineEvent;
  readonly at: number;
}

export function newHistory(onDead: OnDead): History {
  let count = 0;
  return {
    onDead,
    published: new Map(),
    deliveries: [],
    settlements: [],
    cancelled: new Map(),
    died: new Set(),
    settledByDead: new Set(),
    fulfilled: new Set(),
    departures: [],
    told: [],
    now: () => ++count,
  };
}

/** Writes down that these are being published; the answer is noted by {@link answered}. */
export function publishing(history: History, by: Publisher, drafts: readonly Draft[]): void {
  const calledAt = history.now();
  for (const [position, draft] of drafts.entries()) {
    history.published.set(draft.id, {
      draft,
      by,
      calledAt,
      position,
      answeredAt: Number.POSITIVE_INFINITY,
      fate: 'maybe',
      dueAt: by.clockAt + (draft.delayMs ?? 0),
    });
  }
}

export function answered(history: History, id: string, fate: Fate): void {
  const published = history.published.get(id);
  if (published === undefined) return;
  published.fate = fate;
  published.answeredAt = history.now();
}

/** What is said of every message that was stored, or may have been. */
export function mayExist(history: History): string[] {
  return [...history.published.values()]
    .filter(({ fate }) => fate !== 'refused')
    .map(({ draft }) => draft.id);
}

export function isStored(history: History, id: string): boolean {
  return history.published.get(id)?.fate === 'stored';
}

/** The acks of a subscription that were answered so, in their order. */
export function acksOf(
  history: History,
  subscription: string,
  answer: 'settled' | 'unanswered' = 'settled',
): Settled[] {
  return history.settlements.filter(
    ({ settlement, outcome }) =>
      settlement.kind === 'ack' &&
      outcome === answer &&
      settlement.delivery.subscription === subscription,
  );
}

/** The ids acked for certain in a subscription, in the order of the acks. */
export function acked(history: History, subscription: string): string[] {
  return idsOf(acksOf(history, subscription).map(({ settlement }) => settlement.delivery));
}

/** Acks whose process died before it heard the answer. */
export function maybeAcked(history: History, subscription: string): string[] {
  const acks = acksOf(history, subscription, 'unanswered');
  return idsOf(acks.map(({ settlement }) => settlement.delivery));
}

/**
 * What became of a message, step by step, with the departures in between, and with what the engine
 * did by itself: for who asks why.
 */
export function storyOf(history: History, id: string): string {
  const published = history.published.get(id);
  const { calledAt, by, fate } = published ?? { calledAt: 0, by: null, fate: 'never' };
  const key = published?.draft.key ?? null;
  const keyed = key === null ? 'without a key' : `of key ${key}`;
  const told: [at: number, what: string][] = [
    [calledAt, `published by ${by?.process ?? 'nobody'} (${by?.means}) ${keyed}, ${fate}`],
  ];
  for (const { by: process, delivery, at } of history.deliveries) {
    const { subscription, attempt, lease } = delivery;
    if (delivery.id !== id) continue;
    const held = `lease ${lease.id}, token ${lease.token}`;
    told.push([at, `came to ${process} in ${subscription}, attempt ${attempt}, ${held}`]);
  }
  for (const { by: process, settlement, calledAt: at, outcome } of history.settlements) {
    if (settlement.delivery.id !== id) continue;
    const { subscription, lease } = settlement.delivery;
    const what = `${settlement.kind} by ${process} in ${subscription}, lease ${lease.id}`;
    told.push([at, `${what}: ${outcome}`]);
  }
  for (const { process, how, at } of history.departures) {
    if (at > calledAt) told.push([at, `${process} ${how}`]);
  }
  for (const { process, event, at } of history.told) {
    const what = at > calledAt ? inWords(event) : null;
    if (what !== null) told.push([at, `${process} ${what}`]);
  }
  const inOrder = told.toSorted(([a], [b]) => a - b);
  return inOrder.map(([at, what]) => `${at}: ${what}`).join('\n');
}

/** What may decide about messages that it does not name. */
function inWords(event: EngineEvent): string | null {
  switch (event.kind) {
    case 'engine-trouble':
      return `was in trouble: ${event.message}`;
    case 'partition-taken':
      return `took partition ${event.partition} of ${event.subscription}`;
    case 'partition-let-go':
      return `let partition ${event.partition} of ${event.subscription} go`;
    default:
      return null;
  }
}
