/**
 * Subscriptions come, change and go, one change at a time in a namespace.
 *
 * A new one is bound first, then given what its topics kept, and only then registered: nobody
 * consumes before, so that what was kept comes before what is new. One that is at work already is
 * given what was kept before its new topics lead there.
 *
 * One that goes is struck off first, so that nobody consumes any more, then deleted from the
 * server. The beginning of either is written down as well as its end: where the process dies in
 * between, another one finishes it.
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
    await change(by, specifications);
  });
}

async function change(by: Subscribing, specifications: readonly SubscriptionSpec[]): Promise<void> {
  const isNew = ({ name }: { readonly name: string }): boolean => !by.registry.byName.has(name);
  const adopting = specifications
    .filter(({ from }) => from === 'kept')
    .map((spec) => ({ registered: registeredOf(by, spec), isNew: isNew(spec) }));
  // Who is at work is given what was kept before the topic leads there, and what came meanwhile.
  const atWork = adopting.filter((one) => !one.isNew);
  if (atWork.length > 0) await adopt(by, atWork);
  const changed = specifications.filter((spec) => !isStored(by.registry, spec));
  const registered: Registered[] = [];
  for (const spec of changed) registered.push(await prepare(by, spec));
  if (adopting.length > 0) await adopt(by, adopting);
  for (const one of registered) await record(by.tail, one);
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
    const { byName, unfinished } = by.registry;
    const known = byName.get(name) ?? unfinished.get(name);
    if (known === undefined) return only !== null;
    if (only !== null && known.generation !== only) return true;
    if (known.state !== 'leaving') await record(by.tail, { ...known, state: 'leaving' });
    await remove(by, name);
    return true;
  });
}

/** Finishes what a process died amid; what cannot be finished is left for the next time. */
export async function finishAll(by: Subscribing): Promise<void> {
  for (const name of [...by.registry.unfinished.keys()]) {
    await changing(by, () => finish(by, name)).catch(() => undefined);
  }
}

async function finish(by: Subscribing, name: string): Promise<void> {
  const unfinished = by.registry.unfinished.get(name);
  if (unfinished?.state === 'coming') await change(by, [unfinished.spec]);
  else await remove(by, name);
}

/** Deletes one that is leaving. */
async function remove({ wire, tail, registry, left }: Subscribing, name: string): Promise<void> {
  const leaving = registry.unfinished.get(name);
  if (leaving?.state !== 'leaving') return;
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
    await bind(wire.model, names, { of: queues, spec, before: null });
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

async function changing<Answer>(by: Subscribing, work: () => Promise<Answer>): Promise<Answer> {
  const { wire, names, host, tail } = by;
  return await locked(wire.model, {
    lock: names.lock,
    what: 'the registry of subscriptions',
    waitMs: host.leaseMs,
    async work() {
      await tail.sync();
      return await work();
    },
  });
}

function registeredOf({ registry, names, host }: Subscribing, spec: SubscriptionSpec): Registered {
  const before = registry.byName.get(spec.name) ?? comingOf(registry, spec.name);
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

/** One that a process died amid: it goes on as the same, with what has come for it. */
function comingOf({ unfinished }: Registry, name: string): Registered | undefined {
  const found = unfinished.get(name);
  return found?.state === 'coming' ? found : undefined;
}

/** Leads its topics to it, and answers how it is to be written down. */
async function prepare(by: Subscribing, spec: SubscriptionSpec): Promise<Registered> {
  const { wire, settings, names, registry, host, publisher, tail } = by;
  const { name } = spec;
  await remove(by, name);
  const registered = registeredOf(by, spec);
  const { queues } = registered;
  const before = registry.byName.get(name) ?? comingOf(registry, name);
  if (before?.state !== 'subscribed') await record(tail, { ...registered, state: 'coming' });
  await declareSubscription(wire.model, settings, queues);
  if (before?.state !== 'subscribed') {
    const note = { kind: 'token', epoch: 0, by: 'nobody' } as const;
    await publisher.send(...queues.side.map((queue) => recordOf(queue, note, host.newId())));
  }
  await bind(wire.model, names, {
    of: queues,
    spec: registered.spec,
    before: before?.spec ?? null,
  });
  return registered;
}
