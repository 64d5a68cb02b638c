/**
 * Who subscribes to what, as one connection knows it. Read again whenever the version in the file
 * moved, which every write transaction looks at; so a subscription registered, paused or changed by
 * another process is known from the next transaction on.
 */

import type { SubscriptionSpec } from '../../transport/transport.ts';
import { keyedRange, looseRange } from './layout.ts';
import type { ledgerTexts } from './statements/ledger.ts';
import type { Prepared } from './statements/sql.ts';
import { createTally, type Tally } from './tally.ts';

/** Stays the same object as long as the subscription exists. */
export interface Subscription {
  readonly number: number;
  readonly name: string;
  /** Of an earlier one of the same number and name this is another. */
  readonly born: number;
  readonly loose: number;
  readonly keyed: number;
  readonly tally: Tally;
  isOrdered: boolean;
  onDead: SubscriptionSpec['onDead'];
  waits: boolean;
  overtakes: boolean;
  waitingDeadlineMs: number;
  maxDepth: number;
  adopts: SubscriptionSpec['from'];
  isPaused: boolean;
  /** The sequence of the file when it was registered; 0 when it also got what was kept before. */
  since: number;
  isGone: boolean;
  topics: readonly string[];
}

export interface Topic {
  readonly number: number;
  readonly name: string;
  /** Get a message at once. */
  direct: readonly Subscription[];
  /** Still take over what was kept: until they are done, new messages queue up behind that. */
  adopting: readonly Subscription[];
}

export interface Topology {
  /** -1: not known. */
  version: number;
  readonly topics: Map<string, Topic>;
  readonly topicByNumber: Map<number, Topic>;
  readonly subscriptions: Map<string, Subscription>;
  readonly byNumber: Map<number, Subscription>;
}

type LedgerSql = Prepared<typeof ledgerTexts>;

export function createTopology(): Topology {
  return {
    version: -1,
    topics: new Map(),
    topicByNumber: new Map(),
    subscriptions: new Map(),
    byNumber: new Map(),
  };
}

export function loadTopology(sql: LedgerSql, topology: Topology, version: number): void {
  topology.version = version;
  loadSubscriptions(sql, topology);
  topology.topics.clear();
  topology.topicByNumber.clear();
  for (const [number, name] of sql.topics.all()) addTopic(topology, number, name);
  const topics = new Map<Subscription, string[]>();
  for (const [number, subscriber, adopting] of sql.routes.all()) {
    const topic = topology.topicByNumber.get(number);
    const subscription = topology.byNumber.get(subscriber);
    if (topic === undefined || subscription === undefined) continue;
    if (adopting === 0) topic.direct = [...topic.direct, subscription];
    else topic.adopting = [...topic.adopting, subscription];
    topics.set(subscription, [...(topics.get(subscription) ?? []), topic.name]);
  }
  for (const subscription of topology.byNumber.values()) {
    subscription.topics = topics.get(subscription) ?? [];
  }
}

export function addTopic(topology: Topology, number: number, name: string): Topic {
  const topic: Topic = { number, name, direct: [], adopting: [] };
  topology.topics.set(name, topic);
  topology.topicByNumber.set(number, topic);
  return topic;
}

function loadSubscriptions(sql: LedgerSql, topology: Topology): void {
  const before = new Map(topology.byNumber);
  topology.subscriptions.clear();
  topology.byNumber.clear();
  for (const row of sql.subscriptions.all()) {
    const [number, name] = row;
    const known = before.get(number);
    const isKnown = known?.name === name && known.born === row[10];
    const subscription = isKnown ? known : createSubscription(number, name, row[10]);
    before.delete(known === subscription ? number : -1);
    subscription.isOrdered = row[2] === 'key';
    subscription.onDead = row[3];
    subscription.waits = row[4] === 1;
    subscription.overtakes = row[11] === 1;
    [, , , , , subscription.waitingDeadlineMs, subscription.maxDepth, subscription.adopts] = row;
    subscription.isPaused = row[8] === 1;
    subscription.since = row[9];
    topology.subscriptions.set(name, subscription);
    topology.byNumber.set(number, subscription);
  }
  for (const gone of before.values()) gone.isGone = true;
}

function createSubscription(number: number, name: string, born: number): Subscription {
  return {
    number,
    name,
    born,
    loose: looseRange(number),
    keyed: keyedRange(number),
    tally: createTally(number),
    isOrdered: false,
    onDead: 'skip',
    waits: true,
    overtakes: false,
    waitingDeadlineMs: 0,
    maxDepth: 0,
    adopts: 'now',
    isPaused: false,
    since: 0,
    isGone: false,
    topics: [],
  };
}
