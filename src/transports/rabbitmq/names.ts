/** How everything is called on the server, and which partition a key belongs to. */

import type { SubscriptionSpec } from '../../transport/transport.ts';

export interface Names {
  readonly namespace: string;
  /** Where messages are published: direct, with {@link kept} behind it. */
  readonly exchange: string;
  readonly keptExchange: string;
  readonly kept: string;
  readonly registry: string;
  readonly facts: string;
  readonly ledgers: string;
  /** Reaches every session. */
  readonly hello: string;
  readonly lock: string;
}

export function namesOf(namespace: string): Names {
  return {
    namespace,
    exchange: `${namespace}.x`,
    keptExchange: `${namespace}.kept`,
    kept: `${namespace}.kept`,
    registry: `${namespace}.registry`,
    facts: `${namespace}.facts`,
    ledgers: `${namespace}.ledgers`,
    hello: `${namespace}.hello`,
    lock: `${namespace}.lock`,
  };
}

export function sessionQueue({ namespace }: Names, session: string): string {
  return `${namespace}.session.${session}`;
}

/** The queues of one subscription. */
export interface SubscriptionNames {
  readonly shared: string;
  readonly dead: string;
  readonly main: readonly string[];
  readonly side: readonly string[];
}

export function subscriptionNames(
  { namespace }: Names,
  subscription: string,
  partitions: number,
): SubscriptionNames {
  const first = `${namespace}.q.${subscription}`;
  const each = Array.from({ length: partitions }, (_, index) => index);
  return {
    shared: `${first}/u`,
    dead: `${first}/dead`,
    main: each.map((index) => `${first}/p${index}`),
    side: each.map((index) => `${first}/s${index}`),
  };
}

export function allQueues({ shared, dead, main, side }: SubscriptionNames): string[] {
  return [shared, dead, ...main, ...side];
}

export interface Step {
  readonly ms: number;
  readonly name: string;
}

/** How long a message may stay in one queue of the server, by step. */
export const laterSteps: readonly Step[] = [
  { ms: 600_000, name: '10m' },
  { ms: 3_600_000, name: '1h' },
  { ms: 21_600_000, name: '6h' },
  { ms: 86_400_000, name: '1d' },
];

export function laterQueue({ namespace }: Names, { name }: Step): string {
  return `${namespace}.later.${name}`;
}

/**
 * What a message is routed by: its topic, into how many partitions its publisher divides, and the
 * partition (`@`: to its side queue). Dividing otherwise than the subscriptions routes nowhere.
 */
export function routingKey(topic: string, partitions: number, place: string): string {
  return `${topic}|${partitions}|${place}`;
}

export interface Binding {
  readonly queue: string;
  readonly key: string;
}

/** What leads from the exchange to the queues of a subscription. */
export function bindingsOf(
  { topics, order }: Pick<SubscriptionSpec, 'topics' | 'order'>,
  { shared, main, side }: SubscriptionNames,
): Binding[] {
  const partitions = main.length;
  return [...new Set(topics)].flatMap((topic) => {
    const key = (place: string): string => routingKey(topic, partitions, place);
    return [
      { queue: shared, key: key('-') },
      ...main.map((queue, index) => ({
        queue: order === 'key' ? queue : shared,
        key: key(String(index)),
      })),
      ...side.map((queue, index) => ({ queue, key: key(`@${index}`) })),
    ];
  });
}

/** FNV-1a over the characters of the key, then spread: any function that never changes will do. */
export function partitionOf(key: string, partitions: number): number {
  const hash = fnv(key, 0x811c9dc5);
  return ((hash ^ (hash >>> 15)) >>> 0) % partitions;
}

/** 53 bits that stand for a message in a ledger. */
export function workHash(name: string): number {
  return (fnv(name, 0x811c9dc5) >>> 0) * 2 ** 21 + ((fnv(name, 0x2545f491) >>> 0) & 0x1fffff);
}

function fnv(text: string, start: number): number {
  let hash = start;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash;
}
