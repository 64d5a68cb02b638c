/**
 * To look and to act: what the command line, the dashboard and applications use, and nothing else.
 *
 * Pages go by cursor; figures are counters, never counts, so looking costs the same at any depth.
 */

import type { Clock } from '../clock.ts';
import { type DependencyKey, factOf } from '../message/dependency.ts';
import { notFound, optionInvalid } from '../errors.ts';
import type {
  CancelOutcome,
  DeadLetter,
  DeadQuery,
  MessageView,
  Page,
  Store,
  SubscriptionStats,
  SubscriptionView,
  WaitingMessage,
} from '../transport/store.ts';
import { mostNamed, type Events } from './events.ts';
import { checkNames, whole } from '../message/checks.ts';
import { factsIn, type Need, shownNeeds } from '../message/need.ts';
import { pageOfMeant } from './dead-pages.ts';
import {
  checkId,
  type DeadSelection,
  filterOf,
  redriveQuery,
  type RedriveSelection,
  selectionNames,
} from './dead-selection.ts';

export interface PageOptions {
  /** What the page before answered as `next`. */
  readonly cursor?: string | null;
  /** 1 to 500. @defaultValue 100 */
  readonly limit?: number;
}

export interface Messages {
  /**
   * Everything known of a message, one view per subscription; empty when nothing is. One that waits
   * in the outbox for its relay has a single view, whose subscription is `malote.outbox`.
   */
  get(id: string): Promise<readonly MessageView[]>;
  /**
   * Takes a message out for good, unless a handler, or the relay of an outbox, still has it. One
   * that the engine refused for good is taken out of the outbox, and its key goes on.
   */
  cancel(id: string): Promise<CancelOutcome>;
}

export interface DeadLetters {
  /**
   * With a selection it looks on until a page is full of those that match: a long way, where there
   * are many dead letters and few that do.
   */
  list(
    options?: PageOptions & DeadSelection & { readonly subscription?: string },
  ): Promise<Page<DeadLetter>>;
  /** The dead letters of one message, one per subscription that gave it up. */
  get(id: string): Promise<readonly DeadLetter[]>;
  /** Sends dead letters back, attempts reset, in order. Answers how many; repeating is safe. */
  redrive(
    which: string | readonly string[] | RedriveSelection,
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

export interface Sight {
  readonly events: Events;
  readonly clock: Clock;
  /** What the engine may not have yet. */
  readonly outbox: {
    find(id: string): Promise<readonly MessageView[]>;
    cancelDead(id: string): Promise<CancelOutcome>;
  };
}

export function createInspection(
  store: () => Promise<Store>,
  { events, clock, outbox }: Sight,
): Inspection {
  /** The outbox first: what is relayed meanwhile is then found with the engine. */
  async function find(id: string): Promise<readonly MessageView[]> {
    const waiting = await outbox.find(id);
    try {
      const found = await (await store()).get(id);
      return found.length === 0 ? waiting : found;
    } catch (error) {
      // An engine that is away, or that finds no message by its id, does not hide where it waits.
      if (waiting.length === 0) throw error;
      return waiting;
    }
  }

  async function cancelFound(id: string, there: readonly MessageView[]): Promise<CancelOutcome> {
    if (there.some((view) => !isAlive(view))) {
      const outcome = await outbox.cancelDead(id);
      if (outcome !== 'not-found') return outcome;
    }
    const outcome = await (await store()).cancel(id);
    // It is on its way: whoever is told that there is none would see it come after all.
    return outcome === 'not-found' && there.some(isAlive) ? 'leased' : outcome;
  }

  async function setPaused(name: string, paused: boolean): Promise<void> {
    checkSubscription(name);
    if (!(await (await store()).setPaused(name, paused))) {
      await requireSubscription(name);
    }
    events.emit({ kind: paused ? 'paused' : 'resumed', subscription: name });
  }

  async function requireSubscription(name: string): Promise<SubscriptionView> {
    checkSubscription(name);
    const all = await (await store()).subscriptions();
    const found = all.find((subscription) => subscription.name === name);
    if (found !== undefined) return found;
    throw notFound(
      'subscription',
      name,
      all.map((one) => one.name),
    );
  }

  /** An empty page of a subscription that does not exist would say that all is well. */
  async function pageFor<Item>(
    name: string | null,
    page: Promise<Page<Item>>,
  ): Promise<Page<Item>> {
    const answered = await page;
    if (name !== null && answered.items.length === 0) await requireSubscription(name);
    return answered;
  }

  return {
    messages: {
      async get(id) {
        checkId('messages.get', id);
        return (await find(id)).map(readable);
      },
      async cancel(id) {
        checkId('messages.cancel', id);
        const outcome = await cancelFound(id, await outbox.find(id));
        if (outcome === 'cancelled') events.emit({ kind: 'cancelled', id });
        return outcome;
      },
    },
    dead: {
      async list(options = {}) {
        const names = ['cursor', 'limit', 'subscription', ...selectionNames];
        checkNames('dead.list', options, names);
        const { subscription = null } = options;
        if (subscription !== null) checkSubscription(subscription);
        const only = filterOf('dead.list', options, clock.now());
        const query = { subscription, id: null, ...pageOf(options) };
        const held = await store();
        const look = (one: DeadQuery): Promise<Page<DeadLetter>> => held.dead(one);
        const page = only === null ? look(query) : pageOfMeant(look, only, query);
        return await pageFor(subscription, page);
      },
      async get(id) {
        checkId('dead.get', id);
        const { items } = await (await store()).dead({ subscription: null, id, ...pageOf({}) });
        return items;
      },
      async redrive(which) {
        const query = redriveQuery(which, clock.now());
        if ('all' in query) await requireSubscription(query.subscription);
        const redriven = await (await store()).redrive(query);
        const { subscription } = query;
        const ids = 'ids' in query ? query.ids.slice(0, mostNamed) : [];
        events.emit({ kind: 'redriven', subscription, ids, messages: redriven });
        return { redriven };
      },
    },
    waiting: {
      async list(options = {}) {
        checkNames('waiting.list', options, ['cursor', 'limit', 'subscription', 'for']);
        const { subscription = null } = options;
        if (subscription !== null) checkSubscription(subscription);
        const fact = options.for === undefined ? null : factOf(options.for);
        const query = { subscription, fact, ...pageOf(options) };
        const page = await pageFor(subscription, (await store()).waiting(query));
        const meant = page.items.filter((one) => fact === null || lacks(one, fact));
        return { ...page, items: meant.map(readable) };
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

function readable<View extends { readonly waitingFor: readonly Need[] }>(view: View): View {
  return { ...view, waitingFor: shownNeeds(view.waitingFor) };
}

function isAlive({ state }: MessageView): boolean {
  return state !== 'dead';
}

/** Of one that waits for any of several, and for more, a fact may have met the first by now. */
function lacks({ waitingFor }: WaitingMessage, fact: string): boolean {
  return waitingFor.some((need) => factsIn(need).includes(fact));
}

function checkSubscription(name: unknown): void {
  if (typeof name !== 'string') throw optionInvalid('subscription', 'a name', name);
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
