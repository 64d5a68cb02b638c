/**
 * The subscriptions of a namespace: a stream of whole records that every session reads, the last
 * one of a name counts. Changes are made under a lock.
 */

import { changeBetween } from '../../transport/subscription-change.ts';
import type { SubscriptionSpec } from '../../transport/transport.ts';
import { subscriptionNames, type Names, type SubscriptionNames } from './names.ts';
import type { Tail } from './tail.ts';

export interface SubscriptionRecord {
  readonly name: string;
  readonly spec: SubscriptionSpec;
  /** What it is about to become: what leads to it may be of either, until that is written down. */
  readonly next?: SubscriptionSpec;
  /**
   * `leaving`: it was unsubscribed, nobody consumes it any more, and what it has on the server is
   * about to be deleted; `gone`: that is done.
   */
  readonly state: 'subscribed' | 'leaving' | 'gone';
  readonly isPaused: boolean;
  readonly partitions: number;
  /** Another one of the same name, after an unsubscribe, has another number. */
  readonly generation: string;
}

export interface Registered extends SubscriptionRecord {
  readonly queues: SubscriptionNames;
}

export interface Registry {
  readonly byName: ReadonlyMap<string, Registered>;
  readonly byTopic: ReadonlyMap<string, readonly Registered[]>;
  readonly leaving: ReadonlyMap<string, Registered>;
  /** Into how many partitions keys are divided. */
  readonly partitions: number;
  /** Whether a topic leads to a subscription, and be it one that is leaving. */
  isLed(topic: string): boolean;
  /** Whether the stream says anything of that name, and be it that it was unsubscribed. */
  knows(name: string): boolean;
  read(entry: unknown): void;
}

export interface RegistryOptions {
  readonly names: Names;
  readonly partitions: number;
  changed(now: Registered): void;
}

export function createRegistry({ names, partitions, changed }: RegistryOptions): Registry {
  const byName = new Map<string, Registered>();
  const leaving = new Map<string, Registered>();
  /** Generations. */
  const gone = new Set<string>();
  const said = new Set<string>();
  let byTopic: Map<string, Registered[]> | null = null;
  let divided = partitions;
  let isFirst = true;
  const led = (): Map<string, Registered[]> => (byTopic ??= index(byName.values()));
  /**
   * Written over another connection than the lock was held by, a record may come when more has
   * been written: it takes nothing back, and says nothing of another one of its name.
   */
  const isLate = ({ name, state, generation }: SubscriptionRecord): boolean => {
    const [there, struck] = [byName.get(name), leaving.get(name)];
    if (gone.has(generation)) return true;
    if (state === 'gone') gone.add(generation);
    if (there !== undefined) return there.generation !== generation;
    if (struck === undefined) return false;
    return (struck.generation === generation) === (state === 'subscribed');
  };
  return {
    byName,
    leaving,
    get byTopic() {
      return led();
    },
    get partitions() {
      return divided;
    },
    isLed(topic) {
      return (
        led().has(topic) || [...leaving.values()].some(({ spec }) => spec.topics.includes(topic))
      );
    },
    knows: (name) => said.has(name),
    read(entry) {
      const written = entry as SubscriptionRecord | null;
      if (written === null || typeof written.name !== 'string') return;
      const { name, state, partitions: into } = written;
      if (isFirst) divided = into;
      isFirst = false;
      said.add(name);
      if (isLate(written)) return;
      byTopic = null;
      const registered = { ...written, queues: subscriptionNames(names, name, into) };
      leaving.delete(name);
      if (state === 'subscribed') byName.set(name, registered);
      else byName.delete(name);
      if (state === 'leaving') leaving.set(name, registered);
      changed(registered);
    },
  };
}

function index(all: Iterable<Registered>): Map<string, Registered[]> {
  const byTopic = new Map<string, Registered[]>();
  for (const one of all) {
    for (const topic of new Set(one.spec.topics)) {
      const others = byTopic.get(topic);
      if (others === undefined) byTopic.set(topic, [one]);
      else others.push(one);
    }
  }
  return byTopic;
}

/** Stores a record. Resolves when this session has read it as well. */
export async function record(tail: Tail, entry: SubscriptionRecord): Promise<void> {
  const { name, spec, next, state, isPaused, partitions, generation } = entry;
  await tail.append({ name, spec, next, state, isPaused, partitions, generation });
}

export function isStored(registry: Registry, spec: SubscriptionSpec): boolean {
  const { spec: stored, next } = registry.byName.get(spec.name) ?? {};
  if (stored === undefined || next !== undefined) return false;
  if (changeBetween(stored, spec) !== null) return false;
  const { onDead, waits, waitingDeadlineMs, waitingOrder, maxDepth } = stored;
  return (
    onDead === spec.onDead &&
    waits === spec.waits &&
    waitingDeadlineMs === spec.waitingDeadlineMs &&
    waitingOrder === spec.waitingOrder &&
    maxDepth === spec.maxDepth
  );
}
