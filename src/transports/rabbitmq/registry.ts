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
  /** Null: it was unsubscribed. */
  readonly spec: SubscriptionSpec | null;
  readonly isPaused: boolean;
  readonly partitions: number;
  /** Another one of the same name, after an unsubscribe, has another number. */
  readonly generation: string;
  /** Of one that was unsubscribed: whether what it had on the server is deleted as well. */
  readonly isGone?: boolean;
}

export interface Registered extends SubscriptionRecord {
  readonly spec: SubscriptionSpec;
  readonly queues: SubscriptionNames;
}

export interface Leaving extends SubscriptionRecord {
  readonly queues: SubscriptionNames;
}

export interface Registry {
  readonly byName: ReadonlyMap<string, Registered>;
  readonly byTopic: ReadonlyMap<string, readonly Registered[]>;
  /** Unsubscribed, and what they have on the server is not deleted yet, as far as was written. */
  readonly leaving: ReadonlyMap<string, Leaving>;
  /** Into how many partitions keys are divided. */
  readonly partitions: number;
  /** Whether the stream says anything of that name, and be it that it was unsubscribed. */
  knows(name: string): boolean;
  read(entry: unknown): void;
}

export interface RegistryOptions {
  readonly names: Names;
  readonly partitions: number;
  changed(name: string, now: Registered | null): void;
}

export function createRegistry({ names, partitions, changed }: RegistryOptions): Registry {
  const byName = new Map<string, Registered>();
  const leaving = new Map<string, Leaving>();
  const said = new Set<string>();
  let byTopic: Map<string, Registered[]> | null = null;
  let divided = partitions;
  let isFirst = true;
  return {
    byName,
    leaving,
    get byTopic() {
      byTopic ??= index(byName.values());
      return byTopic;
    },
    get partitions() {
      return divided;
    },
    knows: (name) => said.has(name),
    read(entry) {
      const written = entry as SubscriptionRecord | null;
      if (written === null || typeof written.name !== 'string') return;
      const { name, spec, partitions: into } = written;
      if (isFirst) divided = into;
      isFirst = false;
      said.add(name);
      byTopic = null;
      const before = byName.get(name);
      const queues = subscriptionNames(names, name, into);
      // Written late, over another connection than the lock was held by: a new one has come since.
      if (spec === null && before !== undefined && before.generation !== written.generation) return;
      leaving.delete(name);
      if (spec === null) {
        byName.delete(name);
        if (written.isGone === false) leaving.set(name, { ...written, queues });
        if (before !== undefined) changed(name, null);
        return;
      }
      const registered = { ...written, spec, queues };
      byName.set(name, registered);
      changed(name, registered);
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
  const { name, spec, isPaused, partitions, generation, isGone } = entry;
  await tail.append({ name, spec, isPaused, partitions, generation, isGone });
}

export function isStored(registry: Registry, spec: SubscriptionSpec): boolean {
  const stored = registry.byName.get(spec.name)?.spec;
  if (stored === undefined || changeBetween(stored, spec) !== null) return false;
  const { onDead, waits, waitingDeadlineMs, waitingOrder, maxDepth } = stored;
  return (
    onDead === spec.onDead &&
    waits === spec.waits &&
    waitingDeadlineMs === spec.waitingDeadlineMs &&
    waitingOrder === spec.waitingOrder &&
    maxDepth === spec.maxDepth
  );
}
