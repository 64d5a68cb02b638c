/**
 * The shared side of the memory engine in its `partitions` shape: a broker, with no more abilities
 * than brokers have. This file holds its records; queues push in `broker-queues.ts`.
 *
 * - A keyed message goes to one of the fixed partitions of each subscription, by the hash of its
 *   key, one without order to a queue that all share. A queue pushes in order; what a lost
 *   connection had not acknowledged returns in order, marked as redelivered and nothing more.
 * - A partition belongs to one member at a time (`broker-members.ts`).
 * - A call takes effect at once and is confirmed in a later turn of the event loop: whoever needs
 *   to know waits for {@link Broker.confirm}, and may be gone by then.
 * - Nothing here spans two steps: an ack, a dead letter, a note and a fact are stored one by one.
 */

import type { LaneTable, Entry, Story } from '../../transport/lane-table.ts';
import { createHeap, type Heap, type HeapItem } from '../../transport/heap.ts';
import { createList, type LinkedList, type Links } from '../../transport/linked-list.ts';
import type { CancelOutcome } from '../../transport/store.ts';
import type { FactChange, FactId, Outgoing, SubscriptionSpec } from '../../transport/transport.ts';
import { createCatalog, type Catalog } from './catalog.ts';
import { createDeadLetters, type DeadLetters, type DeadRecord } from './dead-letters.ts';
import { createFinished, type Finished } from './finished.ts';

/** A message on its way through the broker; `reopen` is an order to the owner of a key. */
export interface Carried extends HeapItem, Links<Carried> {
  readonly kind: 'message' | 'reopen';
  readonly tag: number;
  readonly message: Outgoing;
  readonly acceptedAt: number;
  readonly queue: BrokerQueue;
  redelivered: boolean;
  state: 'delayed' | 'ready' | 'pushed' | 'gone';
  channel: Channel | null;
  /** What a copy that was sent back carries with it. */
  readonly story: Story | null;
  /** Its dead letter is stored; the ack is still to come. */
  isBuried: boolean;
}

export interface BrokerQueue {
  readonly subscription: BrokerSubscription;
  /** Null for the messages without order. */
  readonly partition: number | null;
  readonly ready: LinkedList<Carried>;
  readonly channels: Set<Channel>;
  /** The owner was asked to let go. */
  isMoving: boolean;
}

/** A member's hold on a queue. */
export interface Channel {
  readonly queue: BrokerQueue;
  readonly member: Member;
  readonly unacked: LinkedList<Carried>;
  /** How many more may be pushed. */
  room: number;
}

/** What an owner writes down about a message that is no longer ordinary. */
export interface Note {
  readonly attempt: number;
  readonly readyAt: number;
  /** A dead letter of it is being stored. */
  readonly isDying: boolean;
  readonly story: Story | null;
  readonly needs: readonly FactId[];
}

/** One process in one subscription, as the broker sees it. */
export interface Member {
  readonly subscription: BrokerSubscription;
  readonly channels: Set<Channel>;
  isLeaving: boolean;
  readonly process: string;
  assigned(channel: Channel): void;
  /** Asks for a partition back, as soon as nothing of it is at work. */
  revoked(channel: Channel): void;
  pushed(channel: Channel, batch: readonly Carried[]): void;
  /** The specification or the pause changed. */
  changed(): void;
  /** The subscription is gone. */
  forgotten(): void;
  /** For those who look: what the owner makes of the messages with this id. */
  find(id: string): readonly { readonly table: LaneTable; readonly entry: Entry }[];
  cancel(id: string): CancelOutcome;
  tables(): readonly LaneTable[];
}

export interface BrokerSubscription {
  spec: SubscriptionSpec;
  isPaused: boolean;
  /** The shared queue, then the partitions. */
  readonly queues: BrokerQueue[];
  readonly members: Set<Member>;
  readonly carried: Map<number, Carried>;
  readonly byId: Map<string, Set<Carried>>;
  readonly notes: Map<string, Note>;
  /** Keys held shut by dead letters. */
  readonly shut: Map<string, 'blocked' | 'diverting'>;
  /** Dead letters on their way back into a key that they held shut. */
  readonly returning: Map<string, DeadRecord[]>;
  returningCount: number;
  delayedCount: number;
  /** Buried, and not yet acknowledged in their queue. */
  buriedCount: number;
  doneCount: number;
  cancelledCount: number;
}

export interface BrokerConnection {
  /** Hears when the next delayed message is due. */
  alarm(at: number): void;
  /** Facts were added to the log. */
  tail(): void;
  /** There is a subscription that was not there before. */
  registered(subscription: BrokerSubscription): void;
  /** How much of the log it has read. */
  position: number;
  readonly ledger: Ledger;
}

/** What a connection has at work, as it wrote last. Outlives it, unless it ends well. */
export interface Ledger {
  out: ReadonlySet<string>;
  /** Names in `out` that have been judged since its connection died. */
  readonly judged: Set<string>;
}

/** The log of facts, and what holds at its end. */
export interface FactLog {
  readonly entries: FactChange[];
  /** How many entries were cut off, as everyone has read them. */
  start: number;
  readonly holding: Set<FactId>;
}

export interface Broker {
  readonly catalog: Catalog<BrokerSubscription>;
  readonly partitionCount: number;
  readonly connections: Set<BrokerConnection>;
  readonly delayed: Heap<Carried>;
  readonly dead: DeadLetters;
  readonly finished: Finished;
  readonly factLog: FactLog;
  /** Of connections that died, the latest death last. */
  readonly ledgers: Ledger[];
  readonly dirty: Set<BrokerQueue>;
  lastNumber: number;
  isPushing: boolean;
  confirmation: Promise<void> | null;
}

export function createBroker(partitionCount: number): Broker {
  return {
    catalog: createCatalog(),
    partitionCount,
    connections: new Set(),
    delayed: createHeap(),
    dead: createDeadLetters(),
    finished: createFinished(),
    ledgers: [],
    factLog: { entries: [], start: 0, holding: new Set() },
    dirty: new Set(),
    lastNumber: 0,
    isPushing: false,
    confirmation: null,
  };
}

export function createSubscription(broker: Broker, spec: SubscriptionSpec): BrokerSubscription {
  const subscription: BrokerSubscription = {
    spec,
    isPaused: false,
    queues: [],
    members: new Set(),
    carried: new Map(),
    byId: new Map(),
    notes: new Map(),
    shut: new Map(),
    returning: new Map(),
    returningCount: 0,
    delayedCount: 0,
    buriedCount: 0,
    doneCount: 0,
    cancelledCount: 0,
  };
  subscription.queues.push(createQueue(subscription, null));
  for (let partition = 0; partition < broker.partitionCount; partition++) {
    subscription.queues.push(createQueue(subscription, partition));
  }
  return subscription;
}

function createQueue(subscription: BrokerSubscription, partition: number | null): BrokerQueue {
  return {
    subscription,
    partition,
    ready: createList(),
    channels: new Set(),
    isMoving: false,
  };
}

export function nextNumber(broker: Broker): number {
  broker.lastNumber += 1;
  return broker.lastNumber;
}

/** Resolves when everything called until now is stored. */
export function confirm(broker: Broker): Promise<void> {
  broker.confirmation ??= new Promise((resolve) => {
    setImmediate(() => {
      broker.confirmation = null;
      resolve();
    });
  });
  return broker.confirmation;
}

export function queueFor(broker: Broker, to: BrokerSubscription, key: string | null): BrokerQueue {
  return key === null || to.spec.order === 'none' ? sharedQueue(to) : queueOfKey(broker, to, key);
}

/** Where the lane of a key is, also when the subscription orders by key no longer. */
export function queueOfKey(broker: Broker, to: BrokerSubscription, key: string): BrokerQueue {
  return to.queues[1 + partitionOf(key, broker.partitionCount)]!;
}

/** The queue of the messages without order. */
export function sharedQueue({ queues }: BrokerSubscription): BrokerQueue {
  return queues[0]!;
}

export function partitionsOf({ queues }: BrokerSubscription): BrokerQueue[] {
  return queues.slice(1);
}

/** FNV-1a over the characters of the key, then spread: any function that never changes will do. */
export function partitionOf(key: string, partitions: number): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index++) {
    hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  }
  return ((hash ^ (hash >>> 15)) >>> 0) % partitions;
}

/** Messages of a subscription that are neither done nor dead. */
export function depthOf({ carried, buriedCount, returningCount }: BrokerSubscription): number {
  return carried.size - buriedCount + returningCount;
}
