/** Publishing as the contract has it, and the estimate of how full a subscription is. */

import { systemClock } from '../../clock.ts';
import { MaloteError } from '../../errors.ts';
import { answersTo, forwardInTurn } from '../../transport/forward.ts';
import type { Outgoing, PublishOutcome } from '../../transport/transport.ts';
import type { Acceptance } from './acceptance.ts';
import { isGone, notSent } from './failures.ts';
import type { Wire } from './line.ts';
import { exchangeFor, placeIndexOf, routingKey, type Names } from './names.ts';
import type { Publisher, Sending } from './publisher.ts';
import type { Registered, Registry } from './registry.ts';
import type { Limits } from './settings.ts';
import { withChannel } from './topology.ts';
import { sendingOf } from './wire-format.ts';

export interface Outlet {
  readonly names: Names;
  readonly limits: Limits;
  readonly registry: Registry;
  readonly publisher: Publisher;
  readonly acceptedAt: Acceptance;
  /** Declares the queues of long delays, the first time one is needed. */
  readonly later: () => Promise<void>;
  readonly depths: Depths;
}

interface Publishing {
  readonly now: number;
  /** For a relay: see {@link forwardInTurn}. */
  readonly isRelayed: boolean;
}

export function publish(
  outlet: Outlet,
  batch: readonly Outgoing[],
  { now, isRelayed }: Publishing,
): Promise<readonly PublishOutcome[]> {
  const publishNow = (message: Outgoing, answered: Answered): void =>
    publishOne(outlet, { message, now }, answered);
  if (isRelayed) return forwardInTurn(batch, publishNow);
  return answersTo(batch, (answer) => {
    batch.forEach((message, index) => publishNow(message, (outcome) => answer(index, outcome)));
  });
}

type Answered = (outcome: PublishOutcome) => void;

interface One {
  readonly message: Outgoing;
  readonly now: number;
}

function publishOne(outlet: Outlet, one: One, answered: Answered): void {
  const { registry, depths } = outlet;
  const { message } = one;
  const full = depths.firstFull([message]);
  if (full !== null) return answered(fullOf(registry, full));
  const kept = registry.isLed(message.topic) ? stored : storedForNobody;
  put(outlet, one, (error) => answered(error === null ? kept : failureOf(error, message)));
}

function fullOf({ byName }: Registry, subscription: string): PublishOutcome {
  return { kind: 'full', subscription, topics: byName.get(subscription)?.spec.topics ?? [] };
}

function put(
  outlet: Outlet,
  { message, now }: One,
  sent: (error: MaloteError | null) => void,
): void {
  const { publisher, later } = outlet;
  let sending: Sending;
  try {
    sending = placed(outlet, message, now);
  } catch (error) {
    sent(error as MaloteError);
    return;
  }
  if (message.delayMs <= outlet.limits.longestHeldMs) {
    publisher.put(sending, sent);
    return;
  }
  later().then(
    () => publisher.put(sending, sent),
    (error: unknown) => sent(notSent(error)),
  );
}

/** Where a message goes: at once, or by way of a queue in which it passes most of its delay. */
function placed(outlet: Outlet, message: Outgoing, now: number): Sending {
  const { names, limits, registry } = outlet;
  const { topic, key, delayMs } = message;
  const acceptedAt = outlet.acceptedAt(message, now);
  const { partitions } = registry;
  if (delayMs === 0 && key === null) {
    const routed = routingKey(topic, partitions, '-');
    return sendingOf({ exchange: names.exchange, key: routed, message, acceptedAt });
  }
  const index = placeIndexOf(message, partitions);
  const routed = routingKey(topic, partitions, delayMs > 0 ? `@${index}` : String(index));
  const exchange = exchangeFor(names, delayMs, limits) ?? names.exchange;
  return sendingOf({ exchange, key: routed, lane: index, message, acceptedAt });
}

const stored = { kind: 'stored' } as const;
/** As far as this session has read the registry: the exchange behind the first one has it. */
const storedForNobody = { kind: 'stored', kept: true } as const;

function failureOf(error: MaloteError, { id }: Outgoing): PublishOutcome {
  const named = new MaloteError(error.code, error.message, { id, cause: error.cause });
  return error.code === 'INDETERMINATE'
    ? { kind: 'indeterminate', error: named }
    : { kind: 'refused', error: named };
}

/** Stores what an ack publishes; rejects unless all of it is stored. */
export async function publishAll(
  outlet: Outlet,
  batch: readonly Outgoing[],
  now: number,
): Promise<void> {
  const sent = batch.map(
    (message) =>
      new Promise<void>((resolve, reject) => {
        put(outlet, { message, now }, (error) => (error === null ? resolve() : reject(error)));
      }),
  );
  await Promise.all(sent);
}

/** How many messages each subscription holds, as far as the server and its owners say. */
export interface Depths {
  /** The first subscription that is full, or null. Counts the batch as on its way. */
  firstFull(batch: readonly Outgoing[]): string | null;
}

interface Depth {
  known: number;
  /** Published from here since it was looked at. */
  added: number;
  isLooking: boolean;
  lookedAt: number;
}

/** How old the figures of a subscription may be that a publish is judged by. */
const freshMs = 1_000;

/**
 * What a subscription holds on the server, and with its owners. Those are asked only where what
 * they may hold could make it full.
 */
export interface Sight {
  readonly wire: Wire;
  /** The most that all owners together may hold of it. */
  mostHeld(registered: Registered): number;
  held(registered: Registered): Promise<number>;
  /** Declares what was deleted of it underfoot. */
  restore(registered: Registered): Promise<void>;
}

export function createDepths(registry: Registry, sight: () => Sight | null): Depths {
  const depths = new Map<string, Depth>();
  return {
    firstFull(batch) {
      for (const { topic } of batch) {
        for (const registered of registry.byTopic.get(topic) ?? []) {
          if (isFull(depths, registered, sight)) return registered.name;
        }
      }
      return null;
    },
  };
}

function isFull(
  depths: Map<string, Depth>,
  registered: Registered,
  sight: () => Sight | null,
): boolean {
  const { name, spec } = registered;
  let depth = depths.get(name);
  if (depth === undefined) {
    depth = { known: 0, added: 0, isLooking: false, lookedAt: Number.NEGATIVE_INFINITY };
    depths.set(name, depth);
  }
  if (!depth.isLooking && systemClock.monotonic() - depth.lookedAt > freshMs) {
    const open = sight();
    depth.isLooking = open !== null;
    if (open !== null) void look(depth, registered, open);
  }
  if (depth.known + depth.added >= spec.maxDepth) return true;
  depth.added += 1;
  return false;
}

async function look(depth: Depth, registered: Registered, sight: Sight): Promise<void> {
  const before = depth.added;
  try {
    const { waiting } = await lengthsOf(sight.wire, registered);
    const mayBeFull = waiting + sight.mostHeld(registered) >= registered.spec.maxDepth;
    depth.known = waiting + (mayBeFull ? await sight.held(registered) : 0);
    depth.added -= before;
  } catch (error) {
    // Figures that could not be had are had the next time.
    if (isGone(error)) await sight.restore(registered).catch(() => undefined);
  } finally {
    depth.isLooking = false;
    depth.lookedAt = systemClock.monotonic();
  }
}

export interface Lengths {
  /** Ready in the queues of the server: what owners hold is not among them. */
  readonly waiting: number;
  readonly dead: number;
  /** Sessions that consume it, as far as the server knows. */
  readonly sessions: number;
}

export async function lengthsOf(wire: Wire, { queues }: Registered): Promise<Lengths> {
  return await withChannel(wire.model, async (channel) => {
    const lengths = [];
    let sessions = 0;
    for (const queue of [queues.ingress, queues.shared, ...queues.main]) {
      lengths.push((await channel.checkQueue(queue)).messageCount);
    }
    for (const queue of queues.side) {
      const { messageCount, consumerCount } = await channel.checkQueue(queue);
      // Whoever consumes stands by for every partition.
      sessions = Math.max(sessions, consumerCount);
      // Its token is with its owner, or waits for one.
      lengths.push(consumerCount === 0 ? Math.max(0, messageCount - 1) : messageCount);
    }
    const dead = await channel.checkQueue(queues.dead);
    const waiting = lengths.reduce((sum, one) => sum + one, 0);
    return { waiting, dead: dead.messageCount, sessions };
  });
}
