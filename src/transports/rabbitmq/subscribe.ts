/**
 * Subscriptions come, change and go, one change at a time in a namespace.
 *
 * A new one is bound first, then given what its topics kept, and only then registered: nobody
 * consumes before, so that what was kept comes before what is new. One that is at work already is
 * given what was kept before its new topics lead there.
 *
 * One that goes is struck off first, so that nobody consumes any more, then deleted from the
 * server, and that is written down too: where the process dies in between, another one finishes it.
 */

import { checkUnchanged } from '../../transport/subscription-change.ts';
import type { Host, SubscriptionSpec } from '../../transport/transport.ts';
import { adopt } from './adopt.ts';
import type { Wire } from './line.ts';
import { locked } from './lock.ts';
import { subscriptionNames, type Names, type SubscriptionNames } from './names.ts';
import type { Presence } from './presence.ts';
import type { Publisher } from './publisher.ts';
import { isStored, record, type Registered, type Registry } from './registry.ts';
import type { Settings } from './settings.ts';
import type { Tail } from './tail.ts';
import {
  bind,
  declareSubscription,
  deleteSubscription,
  isThere,
  lengthOf,
  unused,
  withChannel,
} from './topology.ts';
import { recordOf } from './wire-format.ts';

export interface Subscribing {
  readonly session: string;
  readonly presence: Presence;
  readonly wire: Wire;
  readonly host: Host;
  readonly names: Names;
  readonly settings: Settings;
  readonly registry: Registry;
  readonly tail: Tail;
  readonly publisher: Publisher;
  /** Resolves when this session has nothing open at a subscription that was struck off. */
  left(name: string): Promise<void>;
}

export async function subscribe(
  by: Subscribing,
  specifications: readonly SubscriptionSpec[],
): Promise<void> {
  await by.tail.sync();
  checkUnchanged(by.registry, specifications);
  const isWell = specifications.every((spec) => isStored(by.registry, spec));
  if (isWell && !(await mayAdopt(by, specifications))) return;
  await changing(by, async () => {
    checkUnchanged(by.registry, specifications);
    const isNew = ({ name }: { readonly name: string }): boolean => !by.registry.byName.has(name);
    const adopting = specifications
      .filter(({ from }) => from === 'kept')
      .map((spec) => ({ registered: registeredOf(by, spec), isNew: isNew(spec) }));
    // Who is at work is given what was kept before the topic leads there, and what came meanwhile.
    const atWork = adopting.filter((one) => !one.isNew);
    if (atWork.length > 0) await adopt(by, atWork);
    const changed = specifications.filter((spec) => !isStored(by.registry, spec));
    const registered = changed.map((spec) => registeredOf(by, spec));
    for (const one of registered) await prepare(by, one);
    if (adopting.length > 0) await adopt(by, adopting);
    for (const one of registered) await record(by.tail, one);
  });
}

async function mayAdopt(
  { wire, names }: Subscribing,
  specifications: readonly SubscriptionSpec[],
): Promise<boolean> {
  if (specifications.every(({ from }) => from === 'now')) return false;
  return await withChannel(wire.model, async (channel) => {
    const { messageCount: ours } = await channel.checkQueue(names.kept);
    const { messageCount: foreign } = await channel.checkQueue(names.ingressKept);
    return ours + foreign > 0;
  });
}

/**
 * Answers whether there was one.
 * @param only the generation that is meant, where one is: another one that came since is spared
 */
export async function unsubscribe(
  by: Subscribing,
  name: string,
  only: string | null = null,
): Promise<boolean> {
  return await changing(by, async () => {
    const { byName, leaving } = by.registry;
    const known = byName.get(name) ?? leaving.get(name);
    if (known === undefined) return only !== null;
    if (only !== null && known.generation !== only) return true;
    if (known.state === 'subscribed') await record(by.tail, { ...known, state: 'leaving' });
    await remove(by, name);
    return true;
  });
}

/** Finishes what others died amid; what cannot be finished now is left for the next time. */
export async function finishLeaving(by: Subscribing): Promise<void> {
  for (const name of [...by.registry.leaving.keys()]) {
    await changing(by, () => remove(by, name), 0).catch(() => undefined);
  }
}

/** Deletes one that is leaving. */
async function remove({ wire, tail, registry, left }: Subscribing, name: string): Promise<void> {
  const leaving = registry.leaving.get(name);
  if (leaving === undefined) return;
  // The server may fail with a consumer that comes to a queue while that is deleted.
  await left(name);
  await unused(wire.model, leaving.queues);
  await deleteSubscription(wire.model, leaving.queues);
  await record(tail, { ...leaving, state: 'gone' });
}

/**
 * Writes down once more what was known of subscriptions of which the stream says nothing: it is
 * another one, as the first was deleted underfoot. What was unsubscribed is said on it.
 */
export async function rewrite(by: Subscribing, known: readonly Registered[]): Promise<void> {
  const isUnsaid = ({ name }: Registered): boolean => !by.registry.knows(name);
  if (!known.some(isUnsaid)) return;
  await changing(by, async () => {
    for (const one of known.filter(isUnsaid)) await record(by.tail, one);
  });
}

/**
 * Puts back what was deleted underfoot: queues, what leads to them, the tokens. What was kept
 * meanwhile, as nothing led anywhere, moves in; what was in a deleted queue is lost.
 */
export async function restore(by: Subscribing, registered: Registered): Promise<void> {
  const { wire, settings, names, host, publisher } = by;
  const { spec, queues } = registered;
  if (await isThere(wire.model, queues)) return;
  await changing(by, async () => {
    // It may have been unsubscribed while this waited for the lock.
    if (by.registry.byName.get(registered.name)?.generation !== registered.generation) return;
    // Before they are there again: from then on others stand by for them, and wait for the token.
    const tokenless = await tokenlessOf(wire, queues);
    await declareSubscription(wire.model, settings, queues);
    const note = { kind: 'token', epoch: laterEpoch(host), by: 'nobody' } as const;
    await publisher.send(...tokenless.map((queue) => recordOf(queue, note, host.newId())));
    const adopting = spec.from === 'kept' ? [{ registered, isNew: false }] : [];
    // What was kept stands before what is new, but for what comes in the moment between.
    if (adopting.length > 0) await adopt(by, adopting);
    await bind(wire.model, names, { of: queues, spec, earlier: [] });
    if (adopting.length > 0) await adopt(by, adopting);
  });
}

/** Side queues that are gone, or were left without a token by a death in the middle of this. */
async function tokenlessOf({ model }: Wire, { side }: SubscriptionNames): Promise<string[]> {
  const found: string[] = [];
  for (const queue of side) {
    const length = await lengthOf(model, queue);
    if (length === null || length.messageCount + length.consumerCount === 0) found.push(queue);
  }
  return found;
}

/** After most that there were: a partition changes hands every quarter of an hour. */
function laterEpoch({ clock }: Host): number {
  return Math.max(0, Math.floor((clock.now() - Date.UTC(2025, 0, 1)) / 900_000));
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

async function changing<Answer>(
  by: Subscribing,
  work: () => Promise<Answer>,
  waitMs = by.host.leaseMs,
): Promise<Answer> {
  const { wire, names, tail } = by;
  return await locked(wire.model, {
    lock: names.lock,
    what: 'the registry of subscriptions',
    waitMs,
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
    state: 'subscribed',
    isPaused: before?.isPaused ?? false,
    partitions,
    generation: before?.generation ?? host.newId(),
    queues: subscriptionNames(names, spec.name, partitions),
  };
}

async function prepare(by: Subscribing, registered: Registered): Promise<void> {
  const { wire, settings, names, registry, host, publisher } = by;
  const { name, spec, queues } = registered;
  const before = registry.byName.get(name);
  if (before === undefined) await remove(by, name);
  else await record(by.tail, { ...before, next: spec });
  await declareSubscription(wire.model, settings, queues);
  if (before === undefined) {
    const note = { kind: 'token', epoch: 0, by: 'nobody' } as const;
    await publisher.send(...queues.side.map((queue) => recordOf(queue, note, host.newId())));
  }
  const earlier = [before?.spec, before?.next].filter((one) => one !== undefined);
  await bind(wire.model, names, { of: queues, spec, earlier });
}
