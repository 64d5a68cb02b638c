/**
 * The subscriptions of a namespace: a stream of whole records that every session reads, the last
 * one of a name counts. Changes are made under a lock, which is an exclusive queue: it goes with
 * the connection that holds it.
 */

import type { ChannelModel } from 'amqplib';
import { systemClock } from '../../clock.ts';
import { MaloteError } from '../../errors.ts';
import type { SubscriptionSpec } from '../../transport/transport.ts';
import { callFailure, messageOf } from './failures.ts';
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
}

export interface Registered extends SubscriptionRecord {
  readonly spec: SubscriptionSpec;
  readonly queues: SubscriptionNames;
}

export interface Registry {
  readonly byName: ReadonlyMap<string, Registered>;
  readonly byTopic: ReadonlyMap<string, readonly Registered[]>;
  /** Into how many partitions keys are divided. */
  readonly partitions: number;
  /** Every name there ever was, with its partitions. */
  readonly everKnown: ReadonlyMap<string, number>;
  read(entry: unknown): void;
}

export interface RegistryOptions {
  readonly names: Names;
  readonly partitions: number;
  changed(name: string, now: Registered | null): void;
}

export function createRegistry({ names, partitions, changed }: RegistryOptions): Registry {
  const byName = new Map<string, Registered>();
  let byTopic: Map<string, Registered[]> | null = null;
  let divided = partitions;
  const everKnown = new Map<string, number>();
  return {
    byName,
    everKnown,
    get byTopic() {
      byTopic ??= index(byName.values());
      return byTopic;
    },
    get partitions() {
      return divided;
    },
    read(entry) {
      const record = entry as SubscriptionRecord | null;
      if (record === null || typeof record.name !== 'string') return;
      const { name, spec } = record;
      if (everKnown.size === 0) divided = record.partitions;
      everKnown.set(name, record.partitions);
      byTopic = null;
      const before = byName.get(name);
      if (spec === null) {
        byName.delete(name);
        if (before !== undefined) changed(name, null);
        return;
      }
      const queues = subscriptionNames(names, name, record.partitions);
      const registered = { ...record, spec, queues };
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
  const { name, spec, isPaused, partitions, generation } = entry;
  await tail.append({ name, spec, isPaused, partitions, generation });
}

/** @throws MaloteError `SUBSCRIPTION_CHANGED` */
export function checkUnchanged(
  registry: Registry,
  specifications: readonly SubscriptionSpec[],
): void {
  for (const spec of specifications) {
    const stored = registry.byName.get(spec.name)?.spec;
    if (stored === undefined || spec.replace) continue;
    const change = changeBetween(stored, spec);
    if (change === null) continue;
    throw new MaloteError(
      'SUBSCRIPTION_CHANGED',
      `subscription "${spec.name}" is stored with ${change}; ` +
        'replace it on purpose, or give the changed one another name',
    );
  }
}

export function isStored(registry: Registry, spec: SubscriptionSpec): boolean {
  const stored = registry.byName.get(spec.name)?.spec;
  if (stored === undefined || changeBetween(stored, spec) !== null) return false;
  const { onDead, waits, waitingDeadlineMs, maxDepth } = stored;
  return (
    onDead === spec.onDead &&
    waits === spec.waits &&
    waitingDeadlineMs === spec.waitingDeadlineMs &&
    maxDepth === spec.maxDepth
  );
}

function changeBetween(stored: SubscriptionSpec, given: SubscriptionSpec): string | null {
  const before = [...new Set(stored.topics)].toSorted().join(', ');
  const after = [...new Set(given.topics)].toSorted().join(', ');
  if (before !== after) return `the topics ${before}, not ${after}`;
  if (stored.order !== given.order) return `the order "${stored.order}", not "${given.order}"`;
  return null;
}

const pauseMs = 15;

/** Runs `work` while no other process of the namespace runs any. */
export async function locked<Answer>(
  model: ChannelModel,
  names: Names,
  { waitMs, work }: { readonly waitMs: number; readonly work: () => Promise<Answer> },
): Promise<Answer> {
  const until = systemClock.monotonic() + waitMs;
  for (;;) {
    const release = await tryLock(model, names);
    if (release !== null) return await work().finally(release);
    if (systemClock.monotonic() > until) {
      const sentence = `another process has been changing the subscriptions for ${waitMs} ms`;
      throw new MaloteError('ENGINE_BUSY', sentence);
    }
    await new Promise<void>((resolve) => void systemClock.setTimer(resolve, pauseMs));
  }
}

async function tryLock(
  model: ChannelModel,
  { lock }: Names,
): Promise<(() => Promise<void>) | null> {
  const channel = await model.createChannel();
  channel.on('error', () => undefined);
  try {
    await channel.assertQueue(lock, { exclusive: true, durable: false });
  } catch (error) {
    if (/RESOURCE.LOCKED|\b405\b/.test(messageOf(error))) return null;
    throw callFailure(error, 'locking the registry');
  }
  return async () => {
    await channel.deleteQueue(lock).catch(() => undefined);
    await channel.close().catch(() => undefined);
  };
}
