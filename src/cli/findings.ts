/**
 * What stands against a promise: between what the messages ask for, what the engine can, and how
 * the subscriptions are stored. A `refused` one is a promise that would be broken, a `warning` one
 * that is given up, or something that stands still.
 */

import type { Engine, MessageType, OutboxStats, SubscriptionView } from '../index.ts';
import type { Config } from './index.ts';
import { few } from './output.ts';
import { together } from './together.ts';

export type Finding = Awaited<ReturnType<Engine['examine']>>[number];

export interface Sight {
  readonly subscriptions: readonly SubscriptionView[];
  /** Null where there is none. */
  readonly outbox: OutboxStats | null;
}

export function findingsOf(
  { engine, store, messages = [] }: Config,
  { subscriptions, outbox }: Sight,
): readonly Finding[] {
  return [
    ...messages.flatMap((type) => asked(type, together(engine, store))),
    ...(store === undefined ? [] : storing(store, engine)),
    ...lasting(engine),
    ...forgetting(messages, together(engine, store)),
    ...messages.flatMap((type) => taken(type, subscriptions)),
    ...subscriptions.flatMap((one) => [...weakened(one, messages), ...standing(one)]),
    ...(outbox === null ? [] : refusing(outbox)),
  ];
}

function asked({ name, dedupe }: MessageType, can: Engine['capabilities']): Finding[] {
  if (dedupe === undefined || can.dedupe) return [];
  return refused(
    `${name} has dedupe, and neither the engine nor a store remembers what was published: ` +
      'give the configuration a store that does',
  );
}

function storing(store: Engine<unknown>, engine: Engine<unknown>): Finding[] {
  if (!store.capabilities.transactions) {
    return refused(
      `the store (${store.name}) is no database that a transaction of yours can be in`,
    );
  }
  if (store.address !== engine.address) return [];
  return warning('the store is the engine itself: there is no outbox, and none is needed');
}

function lasting({ capabilities }: Engine<unknown>): Finding[] {
  switch (capabilities.survives) {
    case 'nothing':
      return warning('messages are lost when the process ends: this engine is for tests');
    case 'process-crash':
      return warning('a power loss may take the messages that were accepted last');
    case 'power-loss':
      return [];
  }
}

/** Facts that survive less than the messages that wait for them. */
function forgetting(
  messages: readonly MessageType[],
  { survives, factsSurvive }: Engine['capabilities'],
): Finding[] {
  const waiting = messages.find(({ waitFor }) => waitFor !== undefined);
  if (waiting === undefined) return [];
  if (survives !== 'power-loss' || factsSurvive === 'power-loss') return [];
  const sentence = `a power loss may take the last facts, and ${waiting.name} waits for some`;
  return warning(`${sentence}; a store keeps them`);
}

function taken({ name }: MessageType, subscriptions: readonly SubscriptionView[]): Finding[] {
  if (subscriptions.some(({ topics }) => topics.includes(name))) return [];
  return warning(`nobody subscribes to ${name}: its messages are kept for the first who does`);
}

/** What a subscription gives up that a type asks for. */
function weakened(
  { name, topics, order, waits }: SubscriptionView,
  messages: readonly MessageType[],
): Finding[] {
  const its = messages.filter((type) => topics.includes(type.name));
  const ordered = its.find(({ orderBy }) => orderBy !== undefined);
  const waiting = its.find(({ waitFor }) => waitFor !== undefined);
  return [
    ...(order === 'key' || ordered === undefined
      ? []
      : warning(`${name} gives up the order that ${ordered.name} asks for (order: 'none')`)),
    ...(waits || waiting === undefined
      ? []
      : warning(`${name} does not wait for the facts of ${waiting.name} (waitFor: false)`)),
  ];
}

/** Nearly full is nine tenths. */
const nearlyFull = 0.9;

function standing(one: SubscriptionView): Finding[] {
  const { name, paused, stats, maxDepth, blockedKeys, consumers } = one;
  const isIdle = consumers === 0 && stats.depth > 0;
  return [
    ...(isIdle
      ? warning(
          `${name} holds ${stats.depth} and has no worker: start a process that consumes it, ` +
            `or delete it with all that it holds: bus.unsubscribe('${name}')`,
        )
      : []),
    ...(paused
      ? warning(`${name} is paused: it delivers nothing until bus.subscriptions.resume('${name}')`)
      : []),
    ...(blockedKeys.length > 0
      ? warning(
          `keys of ${name} stand still behind a dead letter (${few(blockedKeys)}): ` +
            'malote dead list, then malote dead redrive ID',
        )
      : []),
    ...(stats.dead > 0 ? warning(`${name} has ${stats.dead} dead: malote dead list`) : []),
    ...(stats.depth >= maxDepth * nearlyFull
      ? warning(`${name} is nearly full: ${stats.depth} of ${maxDepth}, then QUEUE_FULL`)
      : []),
  ];
}

function refusing({ dead, blockedKeys }: OutboxStats): Finding[] {
  return [
    ...(blockedKeys.length > 0
      ? warning(
          `keys of the outbox stand still behind what the engine refused (${few(blockedKeys)}): ` +
            'malote dead redrive --outbox ID',
        )
      : []),
    ...(dead > 0
      ? warning(`the engine refused ${dead} of the outbox: malote dead list --outbox`)
      : []),
  ];
}

function refused(sentence: string): Finding[] {
  return [{ level: 'refused', sentence }];
}

function warning(sentence: string): Finding[] {
  return [{ level: 'warning', sentence }];
}
