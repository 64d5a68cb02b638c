/**
 * To look and to act: what the command line, the dashboard and applications use, and nothing else.
 *
 * Pages go by cursor; figures are counters, never counts, so looking costs the same at any depth.
 */

import { type DependencyKey, factOf } from '../message/dependency.ts';
import { MaloteError, optionInvalid } from '../errors.ts';
import type {
  CancelOutcome,
  DeadLetter,
  MessageView,
  Page,
  RedriveQuery,
  Store,
  SubscriptionStats,
  SubscriptionView,
  WaitingMessage,
} from '../transport/store.ts';
import type { Events } from './events.ts';
import { checkNames, whole } from './options.ts';

export interface PageOptions {
  /** What the page before answered as `next`. */
  readonly cursor?: string | null;
  /** 1 to 500. @defaultValue 100 */
  readonly limit?: number;
}

export interface Messages {
  /** Everything known of a message, one view per subscription; empty when nothing is. */
  get(id: string): Promise<readonly MessageView[]>;
  /** Takes a message out for good, unless a handler has it at the moment. */
  cancel(id: string): Promise<CancelOutcome>;
}

export interface DeadLetters {
  list(options?: PageOptions & { readonly subscription?: string }): Promise<Page<DeadLetter>>;
  /** The dead letters of one message, one per subscription that gave it up. */
  get(id: string): Promise<readonly DeadLetter[]>;
  /** Sends dead letters back, attempts reset, in order. Answers how many; repeating is safe. */
  redrive(
    which: string | readonly string[] | { readonly subscription: string },
  ): Promise<{ readonly redriven: number }>;
}

export interface WaitingRoom {
  list(
    options?: PageOptions & {
      readonly subscription?: string;
      readonly for?: DependencyKey;
    },
  ): Promise<Page<WaitingMessage>>;
}

export interface Subscriptions {
  list(): Promise<readonly SubscriptionView[]>;
  /** Accepts and keeps, delivers nothing, in every process, until resumed. */
  pause(name: string): Promise<void>;
  resume(name: string): Promise<void>;
  stats(name: string): Promise<SubscriptionStats>;
}

export interface Inspection {
  readonly messages: Messages;
  readonly dead: DeadLetters;
  readonly waiting: WaitingRoom;
  readonly subscriptions: Subscriptions;
}

export function createInspection(store: () => Promise<Store>, events: Events): Inspection {
  async function setPaused(name: string, paused: boolean): Promise<void> {
    if (!(await (await store()).setPaused(name, paused))) throw unknownSubscription(name);
    events.emit({ kind: paused ? 'paused' : 'resumed', subscription: name });
  }

  async function requireSubscription(name: string): Promise<SubscriptionView> {
    const all = await (await store()).subscriptions();
    const found = all.find((subscription) => subscription.name === name);
    if (found === undefined) throw unknownSubscription(name);
    return found;
  }

  return {
    messages: {
      async get(id) {
        checkId('messages.get', id);
        return await (await store()).get(id);
      },
      async cancel(id) {
        checkId('messages.cancel', id);
        const outcome = await (await store()).cancel(id);
        if (outcome === 'cancelled') events.emit({ kind: 'cancelled', id });
        return outcome;
      },
    },
    dead: {
      async list(options = {}) {
        checkNames('dead.list', options, ['cursor', 'limit', 'subscription']);
        const { subscription = null } = options;
        return await (await store()).dead({ subscription, id: null, ...pageOf(options) });
      },
      async get(id) {
        checkId('dead.get', id);
        const { items } = await (await store()).dead({ subscription: null, id, ...pageOf({}) });
        return items;
      },
      async redrive(which) {
        const query = redriveQuery(which);
        if ('all' in query) await requireSubscription(query.subscription);
        const redriven = await (await store()).redrive(query);
        const { subscription } = query;
        events.emit({ kind: 'redriven', subscription, messages: redriven });
        return { redriven };
      },
    },
    waiting: {
      async list(options = {}) {
        checkNames('waiting.list', options, ['cursor', 'limit', 'subscription', 'for']);
        const { subscription = null } = options;
        const fact = options.for === undefined ? null : factOf(options.for);
        return await (await store()).waiting({ subscription, fact, ...pageOf(options) });
      },
    },
    subscriptions: {
      list: async () => await (await store()).subscriptions(),
      pause: (name) => setPaused(name, true),
      resume: (name) => setPaused(name, false),
      stats: async (name) => (await requireSubscription(name)).stats,
    },
  };
}

type Which = Parameters<DeadLetters['redrive']>[0];

function redriveQuery(which: Which): RedriveQuery {
  if (typeof which === 'string') return { ids: [which], subscription: null };
  if (Array.isArray(which)) {
    for (const id of which) checkId('dead.redrive', id);
    return { ids: which as readonly string[], subscription: null };
  }
  const { subscription, ...others }: { subscription?: unknown } = Object(which);
  checkNames('dead.redrive', others, ['subscription']);
  if (typeof subscription === 'string') return { all: true, subscription };
  throw optionInvalid('dead.redrive', 'an id, a list of ids, or { subscription }', which);
}

function checkId(where: string, id: unknown): void {
  if (typeof id !== 'string') throw optionInvalid(`${where}: id`, "a message's id", id);
}

export function pageOf({ cursor = null, limit = 100 }: PageOptions): {
  cursor: string | null;
  limit: number;
} {
  if (cursor !== null && typeof cursor !== 'string') {
    throw optionInvalid('cursor', 'what the page before answered as next', cursor);
  }
  return { cursor, limit: whole('limit', limit, [1, 500]) };
}

function unknownSubscription(name: string): MaloteError {
  return new MaloteError('NOT_FOUND', `there is no subscription "${name}"; subscriptions.list()`);
}
