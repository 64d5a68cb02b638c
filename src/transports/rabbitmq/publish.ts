/** Publishing as the contract has it, and the estimate of how full a subscription is. */

import { systemClock } from '../../clock.ts';
import { MaloteError } from '../../errors.ts';
import type { Outgoing, PublishOutcome } from '../../transport/transport.ts';
import type { Wire } from './line.ts';
import { laterQueue, laterSteps, partitionOf, routingKey, type Names } from './names.ts';
import type { Publisher, Sending } from './publisher.ts';
import type { Registered, Registry } from './registry.ts';
import { longestHeldMs } from './settings.ts';
import { withChannel } from './topology.ts';
import { sendingOf } from './wire-format.ts';

export interface Outlet {
  readonly names: Names;
  readonly registry: Registry;
  readonly publisher: Publisher;
  /** Declares the queues of long delays, the first time one is needed. */
  readonly later: () => Promise<void>;
  readonly depths: Depths;
}

export function publish(
  outlet: Outlet,
  batch: readonly Outgoing[],
  { now, isRelayed }: { readonly now: number; readonly isRelayed: boolean },
): Promise<readonly PublishOutcome[]> {
  // Behind one that found no room, a relay stores nothing of its key.
  const shut = new Map<string, string>();
  return new Promise((resolve) => {
    const outcomes: PublishOutcome[] = [];
    let left = batch.length;
    if (left === 0) resolve(outcomes);
    batch.forEach((message, index) => {
      const answer = (outcome: PublishOutcome): void => {
        outcomes[index] = outcome;
        left -= 1;
        if (left === 0) resolve(outcomes);
      };
      const { key } = message;
      const full = (key === null ? null : shut.get(key)) ?? outlet.depths.firstFull([message]);
      if (full !== null && isRelayed && key !== null) shut.set(key, full);
      if (full !== null) answer({ kind: 'full', subscription: full });
      else put(outlet, { message, now }, (error) => answer(outcomeOf(error, message)));
    });
  });
}

interface Publishing {
  readonly message: Outgoing;
  readonly now: number;
}

function put(
  outlet: Outlet,
  { message, now }: Publishing,
  sent: (error: MaloteError | null) => void,
): void {
  const { publisher, later } = outlet;
  const sending = placed(outlet, message, now);
  if (message.delayMs <= longestHeldMs) {
    publisher.put(sending, sent);
    return;
  }
  later().then(
    () => publisher.put(sending, sent),
    (error: unknown) => sent(error as MaloteError),
  );
}

/** Where a message goes: at once, or by way of a queue in which it passes most of its delay. */
function placed({ names, registry }: Outlet, message: Outgoing, now: number): Sending {
  const { topic, key, id, delayMs } = message;
  const { partitions } = registry;
  const place =
    delayMs > 0
      ? `@${partitionOf(key ?? id, partitions)}`
      : key === null
        ? '-'
        : String(partitionOf(key, partitions));
  const routed = routingKey(topic, partitions, place);
  const exchange = exchangeFor(names, delayMs) ?? names.exchange;
  return sendingOf({ exchange, key: routed, message, acceptedAt: now });
}

/** The exchange of the longest step that fits into a delay; null when none does. */
export function exchangeFor(names: Names, delayMs: number): string | null {
  if (delayMs <= longestHeldMs) return null;
  const step = laterSteps.findLast(({ ms }) => ms <= delayMs);
  return step === undefined ? null : laterQueue(names, step);
}

function outcomeOf(error: MaloteError | null, { id }: Outgoing): PublishOutcome {
  if (error === null) return { kind: 'stored' };
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

/** How many messages each subscription holds, as far as the server says. */
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

export function createDepths(registry: Registry, wire: () => Wire | null): Depths {
  const depths = new Map<string, Depth>();
  return {
    firstFull(batch) {
      for (const { topic } of batch) {
        for (const registered of registry.byTopic.get(topic) ?? []) {
          if (isFull(depths, registered, wire)) return registered.name;
        }
      }
      return null;
    },
  };
}

function isFull(
  depths: Map<string, Depth>,
  registered: Registered,
  wire: () => Wire | null,
): boolean {
  const { name, spec } = registered;
  let depth = depths.get(name);
  if (depth === undefined) {
    depth = { known: 0, added: 0, isLooking: false, lookedAt: Number.NEGATIVE_INFINITY };
    depths.set(name, depth);
  }
  const now = systemClock.monotonic();
  const open = wire();
  if (!depth.isLooking && open !== null && now - depth.lookedAt > freshMs) {
    depth.isLooking = true;
    void look(depth, registered, open);
  }
  if (depth.known + depth.added >= spec.maxDepth) return true;
  depth.added += 1;
  return false;
}

async function look(depth: Depth, registered: Registered, wire: Wire): Promise<void> {
  const before = depth.added;
  try {
    const lengths = await lengthsOf(wire, registered);
    depth.known = lengths.waiting;
    depth.added -= before;
  } catch {
    // Figures that could not be had are had the next time.
  } finally {
    depth.isLooking = false;
    depth.lookedAt = systemClock.monotonic();
  }
}

export interface Lengths {
  /** Ready in the queues of the server: what owners hold is not among them. */
  readonly waiting: number;
  readonly dead: number;
}

export async function lengthsOf(wire: Wire, { queues }: Registered): Promise<Lengths> {
  return await withChannel(wire.model, async (channel) => {
    const lengths = [];
    for (const queue of [queues.shared, ...queues.main, ...queues.side]) {
      lengths.push((await channel.checkQueue(queue)).messageCount);
    }
    const dead = await channel.checkQueue(queues.dead);
    return { waiting: lengths.reduce((sum, one) => sum + one, 0), dead: dead.messageCount };
  });
}
