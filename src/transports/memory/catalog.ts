/**
 * The subscriptions an engine knows, and which topics lead to which of them.
 *
 * A topic without a subscription keeps its messages here, in the order of their acceptance, until a
 * subscription adopts them.
 */

import { MaloteError } from '../../errors.ts';
import { createShelf, shelve, unshelve, type Shelf } from '../../transport/shelf.ts';
import type { Outgoing, PublishOutcome, SubscriptionSpec } from '../../transport/transport.ts';

/** A message that no subscription was there for. */
export interface KeptMessage {
  readonly message: Outgoing;
  readonly order: number;
  readonly acceptedAt: number;
}

export interface Catalog<Member extends Subscribed> {
  readonly byName: Map<string, Member>;
  readonly byTopic: Map<string, Member[]>;
  readonly kept: Map<string, Shelf<KeptMessage>>;
  readonly keptById: Map<string, KeptMessage>;
}

export interface Subscribed {
  spec: SubscriptionSpec;
}

/** Messages that topics without a subscription may keep, all together. */
const mostKept = 1_000_000;

export function createCatalog<Member extends Subscribed>(): Catalog<Member> {
  return { byName: new Map(), byTopic: new Map(), kept: new Map(), keptById: new Map() };
}

export function fullOf({ name, topics }: SubscriptionSpec): PublishOutcome {
  return { kind: 'full', subscription: name, topics };
}

/** Files a subscription under its topics, those it had before included no longer. */
export function file<Member extends Subscribed>(
  catalog: Catalog<Member>,
  member: Member,
  spec: SubscriptionSpec,
): void {
  unfile(catalog, member);
  member.spec = spec;
  catalog.byName.set(spec.name, member);
  for (const topic of new Set(spec.topics)) {
    catalog.byTopic.set(topic, [...(catalog.byTopic.get(topic) ?? []), member]);
  }
}

export function unfile<Member extends Subscribed>(catalog: Catalog<Member>, member: Member): void {
  if (catalog.byName.get(member.spec.name) !== member) return;
  catalog.byName.delete(member.spec.name);
  for (const topic of new Set(member.spec.topics)) {
    const left = (catalog.byTopic.get(topic) ?? []).filter((other) => other !== member);
    if (left.length === 0) catalog.byTopic.delete(topic);
    else catalog.byTopic.set(topic, left);
  }
}

/** Answers false when there is no room to keep it. */
export function keep<Member extends Subscribed>(
  catalog: Catalog<Member>,
  kept: KeptMessage,
): boolean {
  if (catalog.keptById.size >= mostKept) return false;
  const { topic, id } = kept.message;
  let shelf = catalog.kept.get(topic);
  if (shelf === undefined) {
    shelf = createShelf();
    catalog.kept.set(topic, shelf);
  }
  shelve(shelf, kept.order, kept);
  catalog.keptById.set(id, kept);
  return true;
}

export function tooManyKept({ id, topic }: Outgoing): MaloteError {
  return new MaloteError(
    'ENGINE_FULL',
    `topic "${topic}" has no subscription, and the engine keeps no more messages for such; ` +
      'subscribe to it first',
    { id },
  );
}

export function dropKept<Member extends Subscribed>(
  catalog: Catalog<Member>,
  kept: KeptMessage,
): void {
  const { topic, id } = kept.message;
  const shelf = catalog.kept.get(topic);
  if (shelf !== undefined) unshelve(shelf, kept.order);
  if (shelf?.size === 0) catalog.kept.delete(topic);
  if (catalog.keptById.get(id) === kept) catalog.keptById.delete(id);
}

/** What the topics kept, oldest first. */
export function keptFor<Member extends Subscribed>(
  catalog: Catalog<Member>,
  topics: readonly string[],
): KeptMessage[] {
  const found: KeptMessage[] = [];
  for (const topic of new Set(topics)) {
    for (const kept of catalog.kept.get(topic)?.items ?? []) if (kept !== null) found.push(kept);
  }
  return found.toSorted((a, b) => a.order - b.order);
}
