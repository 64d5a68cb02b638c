/**
 * What connections ask of the broker: publish, subscribe, bury, redrive. Each call is stored as it
 * is made; none of them includes an ack.
 */

import { forwardOne, type Stopped } from '../../transport/forward.ts';
import type { Step } from '../../transport/lane-table.ts';
import { checkUnchanged } from '../../transport/subscription-change.ts';
import type {
  EngineEvent,
  Outgoing,
  PublishOutcome,
  SubscriptionSpec,
} from '../../transport/transport.ts';
import {
  createSubscription,
  depthOf,
  nextNumber,
  queueFor,
  queueOfKey,
  type Broker,
  type BrokerSubscription,
  type Carried,
} from './broker.ts';
import { remove } from './broker-members.ts';
import { send } from './broker-queues.ts';
import { dropKept, file, fullOf, keep, keptFor, tooManyKept, unfile } from './catalog.ts';
import { bury, deadOf, deadOfId, deadOfKey, unbury, type DeadRecord } from './dead-letters.ts';
import { owned } from './owned.ts';
import { storyOfReturn } from './returns.ts';

export interface Asking extends Step {
  readonly notify: (event: EngineEvent) => void;
}

export function publishOne(broker: Broker, given: Outgoing, asking: Asking): PublishOutcome {
  const full = firstFull(broker, [given], null);
  if (full !== undefined) return fullOf(full.spec);
  const message = owned(given);
  const acceptedAt = asking.now;
  const members = broker.catalog.byTopic.get(message.topic) ?? [];
  if (members.length === 0) {
    const kept = { message, order: nextNumber(broker), acceptedAt };
    if (keep(broker.catalog, kept)) return { kind: 'stored', kept: true };
    return { kind: 'refused', error: tooManyKept(message) };
  }
  for (const to of members) accept(broker, to, { message, acceptedAt, now: asking.now });
  return { kind: 'stored' };
}

export function forwardAll(
  broker: Broker,
  batch: readonly Outgoing[],
  asking: Asking,
): PublishOutcome[] {
  const stopped: Stopped = new Map();
  return batch.map((given) =>
    forwardOne(stopped, given, (message) => publishOne(broker, message, asking)),
  );
}

interface Accepting {
  readonly message: Outgoing;
  readonly acceptedAt: number;
  readonly now: number;
}

function accept(broker: Broker, to: BrokerSubscription, accepting: Accepting): Carried {
  const { message, acceptedAt } = accepting;
  const dueAt = acceptedAt + message.delayMs;
  const queue = queueFor(broker, to, message.key);
  return send(broker, queue, { kind: 'message', dueAt, story: null, ...accepting });
}

/** The first subscription in which these messages find no room, given that `leaving` makes some. */
export function firstFull(
  broker: Broker,
  batch: readonly Outgoing[],
  leaving: string | null,
): BrokerSubscription | undefined {
  const coming = new Map<BrokerSubscription, number>();
  for (const { topic } of batch) {
    for (const to of broker.catalog.byTopic.get(topic) ?? []) {
      coming.set(to, (coming.get(to) ?? (to.spec.name === leaving ? -1 : 0)) + 1);
    }
  }
  for (const [to, more] of coming) if (depthOf(to) + more > to.spec.maxDepth) return to;
  return undefined;
}

export function subscribeAll(
  broker: Broker,
  specifications: readonly SubscriptionSpec[],
  asking: Asking,
): void {
  checkUnchanged(broker.catalog, specifications);
  const filed = specifications.map((spec) => {
    const known = broker.catalog.byName.get(spec.name);
    const one = known ?? createSubscription(broker, spec);
    file(broker.catalog, one, spec);
    for (const member of one.members) member.changed();
    if (known === undefined)
      for (const connection of broker.connections) connection.registered(one);
    return one;
  });
  const adopted = new Set<Parameters<typeof dropKept>[1]>();
  for (const to of filed) {
    if (to.spec.from !== 'kept') continue;
    const kept = keptFor(broker.catalog, to.spec.topics);
    for (const one of kept) {
      const { message, acceptedAt } = one;
      accept(broker, to, { message, acceptedAt, now: asking.now });
      adopted.add(one);
    }
    if (kept.length === 0) continue;
    asking.notify({ kind: 'adopted', subscription: to.spec.name, messages: kept.length });
  }
  for (const one of adopted) dropKept(broker.catalog, one);
}

export function unsubscribeOne(broker: Broker, name: string): boolean {
  const gone = broker.catalog.byName.get(name);
  if (gone === undefined) return false;
  unfile(broker.catalog, gone);
  const members = [...gone.members];
  gone.members.clear();
  for (const member of members) {
    member.forgotten();
    remove(broker, member);
  }
  for (const record of deadOf(broker.dead, name)) unbury(broker.dead, record);
  return true;
}

export interface Burying {
  readonly record: Omit<DeadRecord, 'number'>;
  /** What it holds shut from now on. */
  readonly shuts: 'blocked' | 'diverting' | null;
  /** The message that it is a copy of, still in its queue. */
  readonly of: Carried | null;
}

export function buryCopy(
  broker: Broker,
  from: BrokerSubscription,
  { record, shuts, of }: Burying,
): void {
  bury(broker.dead, record);
  if (record.key !== null && shuts !== null) from.shut.set(record.key, shuts);
  if (of === null || of.isBuried || of.state === 'gone') return;
  of.isBuried = true;
  from.buriedCount += 1;
}

/** Whether a dead letter of this id is stored here: asked about a message that was dying. */
export function isBuried(broker: Broker, from: BrokerSubscription, id: string): boolean {
  const { name } = from.spec;
  if (deadOfId(broker.dead, id).some(({ subscription }) => subscription === name)) return true;
  for (const records of from.returning.values()) {
    if (records.some(({ message }) => message.id === id)) return true;
  }
  return false;
}

/** Sends one dead letter back, or with it all of a key that is shut. Answers how many. */
export function redriveRecord(broker: Broker, record: DeadRecord, asking: Asking): number {
  const { now } = asking;
  const to = broker.catalog.byName.get(record.subscription);
  if (to === undefined || !deadOfId(broker.dead, record.message.id).includes(record)) return 0;
  const { key, message } = record;
  if (key === null || !to.shut.has(key)) {
    const { acceptedAt } = record;
    const story = storyOfReturn(record, asking);
    const queue = queueFor(broker, to, key);
    send(broker, queue, { kind: 'message', message, acceptedAt, dueAt: now, now, story });
    unbury(broker.dead, record);
    return 1;
  }
  const count = takeReturning(broker, to, key).length;
  askToReopen(broker, to, { key, message, now });
  return count;
}

/** Asks whoever owns the key to open it, the dead letters that return to it first. */
export function askToReopen(
  broker: Broker,
  to: BrokerSubscription,
  { key, message, now }: { readonly key: string; readonly message: Outgoing; readonly now: number },
): void {
  const order = { ...message, key, body: '' };
  const sending = { kind: 'reopen', message: order, acceptedAt: now, dueAt: now, now } as const;
  send(broker, queueOfKey(broker, to, key), { ...sending, story: null });
}

/** Moves the dead letters of a key to those that return to it. Answers what was moved. */
export function takeReturning(
  broker: Broker,
  to: BrokerSubscription,
  key: string,
): readonly DeadRecord[] {
  const records = deadOfKey(broker.dead, to.spec.name, key);
  for (const record of records) unbury(broker.dead, record);
  const before = to.returning.get(key) ?? [];
  if (records.length > 0) to.returning.set(key, [...before, ...records]);
  to.returningCount += records.length;
  return records;
}

export function dropReturning(to: BrokerSubscription, record: DeadRecord): void {
  const key = record.key ?? '';
  const before = to.returning.get(key) ?? [];
  const left = before.filter((other) => other !== record);
  to.returningCount -= before.length - left.length;
  if (left.length === 0) to.returning.delete(key);
  else to.returning.set(key, left);
}
