/** What has to be on the server: declared again and again, and made only when it is not there. */

import type { Channel, ChannelModel, Options, Replies } from 'amqplib';
import { sleep, systemClock } from '../../clock.ts';
import { MaloteError } from '../../errors.ts';
import { hide } from './addresses.ts';
import { closeChannel } from './driver.ts';
import { callFailure, isGone } from './failures.ts';
import { majorOf } from './greeting.ts';
import { allQueues, bindingsOf, laterQueue, type Names, type SubscriptionNames } from './names.ts';
import type { Limits, Settings } from './settings.ts';
import type { SubscriptionSpec } from '../../transport/transport.ts';

/**
 * What is delivered more often is dropped by the server, so: never. -1 would say it to 4.x, and be
 * 0 to 3.x; without a limit 4.x counts to 20. This one means the same on every version.
 */
const deliveryLimit = Number.MAX_SAFE_INTEGER;

const mostTries = 5;
const longestUnusedMs = 1_000;
const pauseMs = 15;

const single = { 'x-single-active-consumer': true };

/**
 * A queue with nothing that must outlive a server. A durable classic one would stand on one node of
 * a cluster, and could neither be used nor made on another one until that is back. 4.3 takes no
 * transient ones.
 */
function passingAway(model: ChannelModel, more: Arguments): Options.AssertQueue {
  const isTransient = majorOf(model) < 4;
  const type = isTransient ? 'classic' : 'quorum';
  return { durable: !isTransient, arguments: { 'x-queue-type': type, ...more } };
}

type Arguments = Readonly<Record<string, unknown>>;

/** A channel for one piece of work; an error on it ends nothing else. */
export async function withChannel<Answer>(
  model: ChannelModel,
  work: (channel: Channel) => Promise<Answer>,
): Promise<Answer> {
  const channel = await model.createChannel();
  channel.on('error', () => undefined);
  try {
    return await work(channel);
  } finally {
    await closeChannel(channel);
  }
}

export async function declareNamespace(
  model: ChannelModel,
  settings: Settings,
  names: Names,
): Promise<void> {
  for (let left = mostTries - 1; ; left--) {
    try {
      await withChannel(model, (channel) => declareAll(model, channel, { settings, names }));
      return;
    } catch (error) {
      // What passes away with a server may do so between two steps, when that one comes back.
      if (left > 0 && isGone(error)) continue;
      throw callFailure(error, `declaring namespace "${names.namespace}"`);
    }
  }
}

async function declareAll(
  model: ChannelModel,
  channel: Channel,
  { settings, names }: { readonly settings: Settings; readonly names: Names },
): Promise<void> {
  const { queues, keepFactsMs } = settings;
  const { exchange, keptExchange, kept, registry, facts, hello, ledgers } = names;
  const durable = { durable: true };
  await channel.assertExchange(keptExchange, 'fanout', durable);
  const alternateExchange = keptExchange;
  await channel.assertExchange(exchange, 'direct', { ...durable, alternateExchange });
  await channel.assertExchange(hello, 'fanout', durable);
  await channel.assertQueue(kept, { ...durable, arguments: lasting(queues, single) });
  await channel.bindQueue(kept, keptExchange, '');
  await declareIngress(model, channel, { queues, names });
  const stream = { 'x-queue-type': 'stream' };
  await channel.assertQueue(registry, { ...durable, arguments: stream });
  const maxAge = { ...stream, 'x-max-age': `${Math.ceil(keepFactsMs / 1_000)}s` };
  await channel.assertQueue(facts, { ...durable, arguments: maxAge });
  const most = { ...single, 'x-max-length': 100_000 };
  await channel.assertQueue(ledgers, passingAway(model, most));
}

/** For who only looks: a namespace that is misspelt is no empty one. */
export async function requireNamespace(
  model: ChannelModel,
  { urls }: Settings,
  names: Names,
): Promise<void> {
  if (await isNamespaceThere(model, names)) return;
  throw new MaloteError(
    'ENGINE_UNREACHABLE',
    `namespace "${names.namespace}" must exist on ${hide(urls)} to be looked at, got none; ` +
      'correct its name, or start what publishes or consumes there',
  );
}

/** Also where one of its queues was deleted underfoot: that is made once more. */
export async function isNamespaceThere(
  model: ChannelModel,
  { registry, kept }: Names,
): Promise<boolean> {
  return (await lengthOf(model, registry)) !== null || (await lengthOf(model, kept)) !== null;
}

/** Where programs without malote publish, and what becomes of types that nobody subscribes. */
async function declareIngress(
  model: ChannelModel,
  channel: Channel,
  { queues, names }: Pick<Settings, 'queues'> & { readonly names: Names },
): Promise<void> {
  const { ingress, ingressKept, ingressTold } = names;
  const durable = { durable: true };
  const alternateExchange = ingressKept;
  await channel.assertExchange(ingressKept, 'fanout', durable);
  await channel.assertExchange(ingress, 'direct', { ...durable, alternateExchange });
  await channel.assertQueue(ingressKept, { ...durable, arguments: lasting(queues, single) });
  const few = { 'x-max-length': 100, 'x-max-length-bytes': 2 ** 23, 'x-overflow': 'drop-head' };
  await channel.assertQueue(ingressTold, passingAway(model, few));
  for (const queue of [ingressKept, ingressTold]) await channel.bindQueue(queue, ingressKept, '');
}

/** The queues in which long delays pass: a step's time, then back to where they were sent. */
export async function declareLater(
  model: ChannelModel,
  { queues, limits }: Settings,
  names: Names,
): Promise<void> {
  await withChannel(model, async (channel) => {
    for (const step of limits.steps) {
      const name = laterQueue(names, step);
      await channel.assertExchange(name, 'fanout', { durable: true });
      // Quorum queues hand over with a confirmation; what cannot be routed is kept.
      const safely = queues === 'quorum' ? { 'x-dead-letter-strategy': 'at-least-once' } : {};
      const passing = {
        ...safely,
        'x-message-ttl': step.ms,
        'x-dead-letter-exchange': names.exchange,
        'x-overflow': 'reject-publish',
      };
      await channel.assertQueue(name, { durable: true, arguments: lasting(queues, passing) });
      await channel.bindQueue(name, name, '');
    }
  }).catch((error: unknown) => {
    throw callFailure(error, `declaring the delays of namespace "${names.namespace}"`);
  });
}

export async function declareSubscription(
  model: ChannelModel,
  { queues }: Settings,
  of: SubscriptionNames,
): Promise<void> {
  await withChannel(model, async (channel) => {
    const one = { durable: true, arguments: lasting(queues, single) };
    const shared = { durable: true, arguments: lasting(queues, {}) };
    await channel.assertQueue(of.shared, shared);
    const ordered = [of.ingress, of.dead, ...of.main, ...of.side];
    for (const queue of ordered) await channel.assertQueue(queue, one);
  }).catch((error: unknown) => {
    throw callFailure(error, `declaring the queues of "${of.shared}"`);
  });
}

/** Whether all queues of a subscription are there. */
export async function isThere(model: ChannelModel, of: SubscriptionNames): Promise<boolean> {
  try {
    await withChannel(model, (channel) =>
      Promise.all(allQueues(of).map((queue) => channel.checkQueue(queue))),
    );
    return true;
  } catch (error) {
    if (isGone(error)) return false;
    throw callFailure(error, `looking for the queues of "${of.shared}"`);
  }
}

/** Null where there is no such queue. */
export async function lengthOf(
  model: ChannelModel,
  queue: string,
): Promise<Pick<Replies.AssertQueue, 'messageCount' | 'consumerCount'> | null> {
  try {
    return await withChannel(model, (channel) => channel.checkQueue(queue));
  } catch (error) {
    if (isGone(error)) return null;
    throw callFailure(error, `looking for "${queue}"`);
  }
}

/** Leads the topics of a subscription to it, and those it gave up no longer. */
export async function bind(
  model: ChannelModel,
  names: Names,
  change: {
    readonly of: SubscriptionNames;
    readonly spec: SubscriptionSpec;
    /** What it was, and what it was about to be. */
    readonly earlier: readonly SubscriptionSpec[];
  },
): Promise<void> {
  const { of, spec, earlier } = change;
  const wanted = bindingsOf(names, spec, of);
  const known = new Set(wanted.map(({ queue, key }) => `${queue} ${key}`));
  const old = earlier.flatMap((one) => bindingsOf(names, one, of));
  await withChannel(model, async (channel) => {
    for (const { exchange, queue, key } of wanted) await channel.bindQueue(queue, exchange, key);
    for (const { exchange, queue, key } of old) {
      if (!known.has(`${queue} ${key}`)) await channel.unbindQueue(queue, exchange, key);
    }
  }).catch((error: unknown) => {
    throw callFailure(error, `binding "${of.shared}"`);
  });
}

/** Resolves when no queue of a subscription has a consumer, or after a second: it may be frozen. */
export async function unused(model: ChannelModel, of: SubscriptionNames): Promise<void> {
  const until = systemClock.monotonic() + longestUnusedMs;
  while ((await isUsed(model, of)) && systemClock.monotonic() < until) {
    await sleep(pauseMs);
  }
}

/** One after the other: each look takes a channel, and there may be thousands of queues. */
async function isUsed(model: ChannelModel, of: SubscriptionNames): Promise<boolean> {
  for (const queue of allQueues(of)) {
    const length = await lengthOf(model, queue);
    if (length !== null && length.consumerCount > 0) return true;
  }
  return false;
}

export async function deleteSubscription(
  model: ChannelModel,
  of: SubscriptionNames,
): Promise<void> {
  await withChannel(model, async (channel) => {
    for (const queue of allQueues(of)) await channel.deleteQueue(queue);
  });
}

/** Everything a namespace has on the server: for tests, and for who gives it up. */
export async function deleteNamespace(
  model: ChannelModel,
  names: Names,
  {
    subscriptions,
    steps,
  }: Pick<Limits, 'steps'> & {
    readonly subscriptions: readonly SubscriptionNames[];
  },
): Promise<void> {
  for (const of of subscriptions) await deleteSubscription(model, of);
  await withChannel(model, async (channel) => {
    const { kept, registry, facts, ledgers, exchange, keptExchange, hello } = names;
    const { ingress, ingressKept, ingressTold } = names;
    const later = steps.map((step) => laterQueue(names, step));
    for (const queue of [kept, registry, facts, ledgers, ingressKept, ingressTold, ...later]) {
      await channel.deleteQueue(queue);
    }
    const exchanges = [exchange, keptExchange, hello, ingress, ingressKept, ...later];
    for (const one of exchanges) await channel.deleteExchange(one);
  });
}

function lasting(queues: Settings['queues'], more: Arguments): Arguments {
  if (queues === 'classic') return { 'x-queue-type': 'classic', ...more };
  return { 'x-queue-type': 'quorum', 'x-delivery-limit': deliveryLimit, ...more };
}
