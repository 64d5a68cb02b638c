/** How everything is called on the server, and which partition a key belongs to. */

import type { SubscriptionSpec } from '../../transport/transport.ts';
import type { Limits, Step } from './settings.ts';

export interface Names {
  readonly namespace: string;
  /** Where messages are published: direct, with {@link kept} behind it. */
  readonly exchange: string;
  readonly keptExchange: string;
  readonly kept: string;
  /** Where programs without malote publish: direct, by type, with {@link ingressKept} behind it. */
  readonly ingress: string;
  /** An exchange and a queue: what came for a type without a subscription. */
  readonly ingressKept: string;
  /** A few of the same once more, to be read and told of. */
  readonly ingressTold: string;
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
    ingress: `${namespace}.in`,
    ingressKept: `${namespace}.in.kept`,
    ingressTold: `${namespace}.in.told`,
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

/** Held by the connection that a session publishes by. */
export function publishingLock(names: Names, session: string): string {
  return `${sessionQueue(names, session)}.publishing`;
}

/** The queues of one subscription. */
export interface SubscriptionNames {
  /** What programs without malote published, before keys and facts are computed. */
  readonly ingress: string;
  readonly shared: string;
  readonly dead: string;
  /** Held by who looks at dead letters. */
  readonly look: string;
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
    ingress: `${first}/in`,
    shared: `${first}/u`,
    dead: `${first}/dead`,
    look: `${first}/look`,
    main: each.map((index) => `${first}/p${index}`),
    side: each.map((index) => `${first}/s${index}`),
  };
}

export function allQueues({ ingress, shared, dead, main, side }: SubscriptionNames): string[] {
  return [ingress, shared, dead, ...main, ...side];
}

export function laterQueue({ namespace }: Names, { name }: Step): string {
  return `${namespace}.later.${name}`;
}

/** The exchange of the longest step that fits into a delay; null when none does. */
export function exchangeFor(
  names: Names,
  delayMs: number,
  { longestHeldMs, steps }: Pick<Limits, 'longestHeldMs' | 'steps'>,
): string | null {
  if (delayMs <= longestHeldMs) return null;
  const step = steps.findLast(({ ms }) => ms <= delayMs);
  return step === undefined ? null : laterQueue(names, step);
}

/**
 * What a message is routed by: its topic, into how many partitions its publisher divides, and the
 * partition (`@`: to its side queue). Dividing otherwise than the subscriptions routes nowhere.
 */
export function routingKey(topic: string, partitions: number, place: string): string {
  return `${topic}|${partitions}|${place}`;
}

export interface Binding {
  readonly exchange: string;
  readonly queue: string;
  readonly key: string;
}

/** What leads from the exchanges to the queues of a subscription. */
export function bindingsOf(
  { exchange, ingress }: Names,
  { topics, order }: Pick<SubscriptionSpec, 'topics' | 'order'>,
  queues: SubscriptionNames,
): Binding[] {
  const { shared, main, side } = queues;
  const partitions = main.length;
  // What an owner sends away for a while comes back to it alone.
  const back = side.map((queue) => ({ queue, key: queue }));
  const foreign = topics.map((key) => ({ exchange: ingress, queue: queues.ingress, key }));
  const byTopic = [...new Set(topics)].flatMap((topic) => {
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
  return [...[...back, ...byTopic].map((one) => ({ exchange, ...one })), ...foreign];
}

/** FNV-1a over the characters of the key, then spread: any function that never changes will do. */
export function partitionOf(key: string, partitions: number): number {
  const hash = fnv(key, 0x811c9dc5);
  return ((hash ^ (hash >>> 15)) >>> 0) % partitions;
}

/** The partition of a message: always the same one, also where a subscription has no order. */
export function placeIndexOf(
  { key, id }: { readonly key: string | null; readonly id: string },
  partitions: number,
): number {
  return partitionOf(key ?? id, partitions);
}

/** 53 bits that stand for a message in a ledger. */
export const workHash: (name: string) => number = workHashAfter('');

/** The same of names that begin alike, which is computed once. */
export function workHashAfter(beginning: string): (rest: string) => number {
  const [high, low] = [fnv(beginning, 0x811c9dc5), fnv(beginning, 0x2545f491)];
  return (rest) => (fnv(rest, high) >>> 0) * 2 ** 21 + ((fnv(rest, low) >>> 0) & 0x1fffff);
}

function fnv(text: string, start: number): number {
  let hash = start;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash;
}
