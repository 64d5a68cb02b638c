/**
 * Dead letters, in the order of their deaths: all of them, those of one subscription, those of one
 * id and those of one key, each found without looking at the others.
 */

import type { Story } from '../../transport/lane-table.ts';
import { createShelf, shelve, unshelve, type Shelf } from '../../transport/shelf.ts';
import { isMeant, type DeadTraits } from '../../transport/dead-filter.ts';
import type { DeadLetter, DeadQuery, Page, RedriveQuery } from '../../transport/store.ts';
import type { DeadReason, Outgoing } from '../../transport/transport.ts';
import { pageOf } from './pages.ts';

export interface DeadRecord {
  readonly number: number;
  readonly subscription: string;
  readonly message: Outgoing;
  readonly key: string | null;
  readonly acceptedAt: number;
  readonly diedAt: number;
  readonly attempts: number;
  readonly reason: DeadReason;
  readonly story: Story | null;
}

export interface DeadLetters {
  readonly all: Shelf<DeadRecord>;
  readonly bySubscription: Map<string, Shelf<DeadRecord>>;
  readonly byId: Map<string, Shelf<DeadRecord>>;
  readonly byKey: Map<string, Shelf<DeadRecord>>;
  lastNumber: number;
}

export function createDeadLetters(): DeadLetters {
  return {
    all: createShelf(),
    bySubscription: new Map(),
    byId: new Map(),
    byKey: new Map(),
    lastNumber: 0,
  };
}

export function bury(letters: DeadLetters, dead: Omit<DeadRecord, 'number'>): DeadRecord {
  letters.lastNumber += 1;
  const record: DeadRecord = { ...dead, number: letters.lastNumber };
  shelve(letters.all, record.number, record);
  for (const [index, name] of places(letters, record)) {
    let shelf = index.get(name);
    if (shelf === undefined) {
      shelf = createShelf();
      index.set(name, shelf);
    }
    shelve(shelf, record.number, record);
  }
  return record;
}

export function unbury(letters: DeadLetters, record: DeadRecord): void {
  unshelve(letters.all, record.number);
  for (const [index, name] of places(letters, record)) {
    const shelf = index.get(name);
    if (shelf === undefined) continue;
    unshelve(shelf, record.number);
    if (shelf.size === 0) index.delete(name);
  }
}

export function deadOfId(letters: DeadLetters, id: string): DeadRecord[] {
  return present(letters.byId.get(id));
}

export function deadOfKey(letters: DeadLetters, subscription: string, key: string): DeadRecord[] {
  return present(letters.byKey.get(keyName(subscription, key)));
}

export function deadOf(letters: DeadLetters, subscription: string): DeadRecord[] {
  return present(letters.bySubscription.get(subscription));
}

/** The dead letters that a query means, oldest death first. */
export function redriven(letters: DeadLetters, query: RedriveQuery): DeadRecord[] {
  if ('all' in query) {
    const { only } = query;
    const all = deadOf(letters, query.subscription);
    return only === undefined ? all : all.filter((record) => isMeant(only, traitsOf(record)));
  }
  return query.ids
    .flatMap((id) => deadOfId(letters, id))
    .filter(({ subscription }) => (query.subscription ?? subscription) === subscription)
    .toSorted((a, b) => a.number - b.number);
}

/** How many of them may go back. */
export function mostRedriven(query: RedriveQuery): number {
  return 'all' in query ? (query.limit ?? Infinity) : Infinity;
}

function traitsOf({ message, reason, key, diedAt, story }: DeadRecord): DeadTraits {
  return { topic: message.topic, reason, key, diedAt, lastFailure: story?.lastFailure ?? null };
}

export function deadCount(letters: DeadLetters, subscription: string): number {
  return letters.bySubscription.get(subscription)?.size ?? 0;
}

export function pageOfDead(letters: DeadLetters, query: DeadQuery): Page<DeadLetter> {
  const shelf =
    query.id !== null
      ? ofBoth(letters, query.id, query.subscription)
      : query.subscription === null
        ? letters.all
        : (letters.bySubscription.get(query.subscription) ?? createShelf<DeadRecord>());
  return pageOf(shelf, { query, numberOf: ({ number }) => number, show });
}

function ofBoth(letters: DeadLetters, id: string, subscription: string | null): Shelf<DeadRecord> {
  const shelf = createShelf<DeadRecord>();
  for (const record of deadOfId(letters, id)) {
    const isWanted = subscription === null || record.subscription === subscription;
    if (isWanted) shelve(shelf, record.number, record);
  }
  return shelf;
}

function show(record: DeadRecord): DeadLetter {
  const { message, story } = record;
  return {
    id: message.id,
    topic: message.topic,
    subscription: record.subscription,
    key: record.key,
    reason: record.reason,
    attempts: record.attempts,
    acceptedAt: record.acceptedAt,
    diedAt: record.diedAt,
    firstFailure: story?.firstFailure ?? null,
    lastFailure: story?.lastFailure ?? null,
    body: message.body,
    headers: message.headers,
  };
}

function places(
  letters: DeadLetters,
  { subscription, message, key }: DeadRecord,
): [Map<string, Shelf<DeadRecord>>, string][] {
  const found: [Map<string, Shelf<DeadRecord>>, string][] = [
    [letters.bySubscription, subscription],
    [letters.byId, message.id],
  ];
  if (key !== null) found.push([letters.byKey, keyName(subscription, key)]);
  return found;
}

/** No subscription's name holds a line break, so no two names meet. */
function keyName(subscription: string, key: string): string {
  return `${subscription}\n${key}`;
}

function present(shelf: Shelf<DeadRecord> | undefined): DeadRecord[] {
  return shelf === undefined ? [] : shelf.items.filter((record) => record !== null);
}
