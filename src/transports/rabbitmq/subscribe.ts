/**
 * Subscriptions come, change and go, one change at a time in a namespace.
 *
 * A new one is bound first, then given what its topics kept, and only then registered: nobody
 * consumes before, so that what was kept comes before what is new.
 */

import type { ConsumeMessage } from 'amqplib';
import type { EngineEvent, Host, SubscriptionSpec } from '../../transport/transport.ts';
import type { Wire } from './line.ts';
import { partitionOf, subscriptionNames, type Names } from './names.ts';
import type { Publisher, Sending } from './publisher.ts';
import {
  checkUnchanged,
  isStored,
  locked,
  record,
  type Registered,
  type Registry,
} from './registry.ts';
import { wholeQueue, type Settings } from './settings.ts';
import type { Tail } from './tail.ts';
import { bind, declareSubscription, deleteSubscription } from './topology.ts';
import { arrivedOf, recordOf, sendingOf, type CopyNote } from './wire-format.ts';

export interface Subscribing {
  readonly wire: Wire;
  readonly host: Host;
  readonly names: Names;
  readonly settings: Settings;
  readonly registry: Registry;
  readonly tail: Tail;
  readonly publisher: Publisher;
}

export async function subscribe(
  by: Subscribing,
  specifications: readonly SubscriptionSpec[],
): Promise<void> {
  await by.tail.sync();
  checkUnchanged(by.registry, specifications);
  if (specifications.every((spec) => isStored(by.registry, spec))) return;
  await changing(by, async () => {
    checkUnchanged(by.registry, specifications);
    const changed = specifications.filter((spec) => !isStored(by.registry, spec));
    const registered = changed.map((spec) => registeredOf(by, spec));
    for (const one of registered) await prepare(by, one);
    const isNew = ({ name, spec }: Registered): boolean =>
      !by.registry.byName.has(name) && spec.from === 'kept';
    const adopting = registered.filter(isNew);
    if (adopting.length > 0) await adopt(by, adopting);
    for (const one of registered) await record(by.tail, one);
  });
}

export async function unsubscribe(by: Subscribing, name: string): Promise<boolean> {
  return await changing(by, async () => {
    const registered = by.registry.byName.get(name);
    if (registered === undefined) return false;
    await record(by.tail, { ...registered, spec: null } as never);
    await deleteSubscription(by.wire.model, registered.queues);
    return true;
  });
}

export async function setPaused(
  by: Subscribing,
  name: string,
  isPaused: boolean,
): Promise<boolean> {
  return await changing(by, async () => {
    const registered = by.registry.byName.get(name);
    if (registered === undefined) return false;
    await record(by.tail, { ...registered, isPaused });
    return true;
  });
}

async function changing<Answer>(by: Subscribing, work: () => Promise<Answer>): Promise<Answer> {
  const { wire, names, host, tail } = by;
  return await locked(wire.model, names, {
    waitMs: host.leaseMs,
    async work() {
      await tail.sync();
      return await work();
    },
  });
}

function registeredOf({ registry, names, host }: Subscribing, spec: SubscriptionSpec): Registered {
  const before = registry.byName.get(spec.name);
  const partitions = before?.partitions ?? registry.partitions;
  return {
    name: spec.name,
    spec: { ...spec, topics: [...new Set(spec.topics)] },
    isPaused: before?.isPaused ?? false,
    partitions,
    generation: before?.generation ?? host.newId(),
    queues: subscriptionNames(names, spec.name, partitions),
  };
}

async function prepare(by: Subscribing, registered: Registered): Promise<void> {
  const { wire, settings, names, registry, host, publisher } = by;
  const { name, spec, queues } = registered;
  const before = registry.byName.get(name)?.spec ?? null;
  await declareSubscription(wire.model, settings, queues);
  if (before === null) {
    const note = { kind: 'token', epoch: 0, by: 'nobody' } as const;
    await publisher.send(...queues.side.map((queue) => recordOf(queue, note, host.newId())));
  }
  await bind(wire.model, names.exchange, { of: queues, spec, before });
}

/** Moves what topics without a subscription kept to the first ones they get. */
async function adopt(by: Subscribing, adopting: readonly Registered[]): Promise<void> {
  const { wire, host, names, publisher } = by;
  const channel = await wire.model.createChannel();
  const marker = host.newId();
  try {
    await channel.prefetch(wholeQueue);
    const kept: ConsumeMessage[] = [];
    const seen = new Promise<void>((resolve, reject) => {
      channel.on('error', reject);
      channel.on('close', () => reject(new Error('the channel was closed')));
      void channel
        .consume(names.kept, (message) => {
          if (message === null) return;
          // Under the lock, a marker of somebody else is one that was left behind.
          if (message.properties.type === undefined) channel.ack(message);
          else kept.push(message);
          if (message.properties.messageId === marker || kept.length === wholeQueue) resolve();
        })
        .catch(reject);
    });
    seen.catch(() => undefined);
    await publisher.send(recordOf(names.kept, { kind: 'mark', by: marker }, marker));
    await seen;
    const counts = new Map<string, number>();
    const sendings: Sending[] = [];
    const taken = kept.slice().filter((message, index) => {
      const moved = copiesOf(by, adopting, { message, index, counts });
      sendings.push(...moved);
      return moved.length > 0;
    });
    await publisher.send(...sendings);
    for (const message of taken) channel.ack(message);
    for (const [subscription, messages] of counts) {
      host.notify({ kind: 'adopted', subscription, messages } satisfies EngineEvent);
    }
  } finally {
    await channel.close().catch(() => undefined);
  }
}

interface Kept {
  readonly message: ConsumeMessage;
  readonly index: number;
  readonly counts: Map<string, number>;
}

function copiesOf(
  { host }: Subscribing,
  adopting: readonly Registered[],
  { message: delivery, index, counts }: Kept,
): Sending[] {
  const now = host.clock.now();
  const { message, acceptedAt, dueAt, note } = arrivedOf(delivery, now);
  if (note !== null) return [];
  return adopting.flatMap(({ name, spec, partitions, queues }) => {
    if (!spec.topics.includes(message.topic)) return [];
    counts.set(name, (counts.get(name) ?? 0) + 1);
    const isKeyed = spec.order === 'key' && message.key !== null;
    const isLate = dueAt > now;
    if (!isKeyed && !isLate) {
      return [sendingOf({ exchange: '', key: queues.shared, message, acceptedAt })];
    }
    const copy: CopyNote = {
      kind: 'copy',
      version: 0,
      order: isLate ? null : index,
      attempt: 1,
      heldUntil: 0,
      story: null,
      needs: [],
      heard: [],
      returned: null,
    };
    const partition = partitionOf(isKeyed ? message.key! : message.id, partitions);
    const key = queues.side[partition]!;
    return [sendingOf({ exchange: '', key, message, acceptedAt, note: copy })];
  });
}
