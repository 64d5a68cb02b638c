/**
 * Looking and acting. The server tells lengths of queues; what owners hold, only they know, and are
 * asked. Nobody can find one message in a queue: what needs that says so.
 */

import { MaloteError } from '../../errors.ts';
import { promote } from '../../transport/lane-table-lanes.ts';
import { deadlineOf } from '../../transport/lane-table-lanes.ts';
import { factsLacking } from '../../transport/lane-table-waiting.ts';
import type {
  Page,
  Store,
  SubscriptionView,
  WaitingMessage,
  WaitingQuery,
} from '../../transport/store.ts';
import { checkLimit, pageOfDead, redrive } from './dead.ts';
import type { Member } from './hold.ts';
import { lengthsOf } from './publish.ts';
import type { Presence } from './presence.ts';
import { setPaused, type Subscribing } from './subscribe.ts';

export interface Looking {
  /** What changes to subscriptions need; rejects when there is no connection. */
  by(): Promise<Subscribing>;
  presence(): Presence;
  members(): Iterable<Member>;
}

/** What one session holds, as it tells those who ask. */
export interface Held {
  readonly subscription: string;
  readonly scheduled: number;
  readonly ready: number;
  readonly leased: number;
  readonly retrying: number;
  readonly waiting: number;
  readonly done: number;
  readonly blockedKeys: readonly string[];
}

export type Question =
  | { readonly kind: 'held' }
  | { readonly kind: 'waiting'; readonly query: WaitingQuery };

export function storeOf(looking: Looking): Store {
  return {
    get: () => Promise.reject(cannotFind('messages.get')),
    cancel: () => Promise.reject(cannotFind('messages.cancel')),
    async dead(query) {
      const by = await looking.by();
      return await pageOfDead(by, [...by.registry.byName.values()], query);
    },
    async redrive(which) {
      const by = await looking.by();
      return await redrive(by, [...by.registry.byName.values()], which);
    },
    waiting: (query) => waitingPage(looking, query),
    subscriptions: () => subscriptionViews(looking),
    async setPaused(name, isPaused) {
      return await setPaused(await looking.by(), name, isPaused);
    },
  };
}

function cannotFind(call: string): MaloteError {
  return new MaloteError(
    'CAPABILITY_MISSING',
    `${call} needs an engine that can find a message by its id; a RabbitMQ queue cannot`,
  );
}

/** Answers what another session, or this one, asks. */
export function answer(members: Iterable<Member>, question: Question): unknown {
  return question.kind === 'held'
    ? [...members].map(heldBy)
    : [...members].flatMap((member) => waitingIn(member, question.query));
}

function heldBy(member: Member): Held {
  const { context, registered, holds, doneCount } = member;
  const sum = { scheduled: 0, ready: 0, leased: 0, retrying: 0, waiting: 0 };
  const blockedKeys: string[] = [];
  for (const { table, partition } of holds) {
    promote(table, context.step());
    const { scheduled, ready, leased, retrying, waiting } = table.counts;
    sum.scheduled += scheduled;
    sum.ready += ready;
    sum.leased += leased;
    sum.retrying += retrying;
    sum.waiting += waiting;
    for (const [key, { note }] of partition?.shuts ?? []) {
      if (note.state === 'blocked') blockedKeys.push(key);
    }
  }
  return { subscription: registered.name, ...sum, done: doneCount, blockedKeys };
}

async function subscriptionViews(looking: Looking): Promise<SubscriptionView[]> {
  const by = await looking.by();
  await by.tail.sync();
  const question: Question = { kind: 'held' };
  const others = await looking.presence().ask(question);
  const held = [answer(looking.members(), question), ...others].flat() as Held[];
  const views = [...by.registry.byName.values()].map(async (registered) => {
    const { name, spec, isPaused } = registered;
    const mine = held.filter(({ subscription }) => subscription === name);
    const total = (of: (one: Held) => number): number =>
      mine.reduce((sum, one) => sum + of(one), 0);
    const lengths = await lengthsOf(by.wire, registered);
    const states = {
      scheduled: total((one) => one.scheduled),
      ready: lengths.waiting + total((one) => one.ready),
      leased: total((one) => one.leased),
      retrying: total((one) => one.retrying),
      waiting: total((one) => one.waiting),
    };
    const depth = Object.values(states).reduce((sum, one) => sum + one, 0);
    const stats = {
      depth,
      ...states,
      dead: lengths.dead,
      done: total((one) => one.done),
      cancelled: 0,
    };
    const blockedKeys = mine.flatMap((one) => one.blockedKeys).slice(0, 100);
    return { ...spec, paused: isPaused, stats, blockedKeys };
  });
  return await Promise.all(views);
}

async function waitingPage(looking: Looking, query: WaitingQuery): Promise<Page<WaitingMessage>> {
  const limit = checkLimit(query.limit);
  await looking.by();
  const question: Question = { kind: 'waiting', query };
  const others = await looking.presence().ask(question);
  const all = [answer(looking.members(), question), ...others].flat() as WaitingMessage[];
  all.sort((a, b) => (cursorOf(a) < cursorOf(b) ? -1 : 1));
  const items = all.slice(0, limit);
  const last = items.at(-1);
  return { items, next: all.length > limit && last !== undefined ? cursorOf(last) : null };
}

/** Sorts as text: the oldest first. */
function cursorOf({ acceptedAt, subscription, topic, id }: WaitingMessage): string {
  return `${String(acceptedAt).padStart(16, '0')} ${subscription} ${topic} ${id}`;
}

function waitingIn({ registered, holds, context }: Member, query: WaitingQuery): WaitingMessage[] {
  const { subscription, fact, cursor, limit } = query;
  if (subscription !== null && subscription !== registered.name) return [];
  const found: WaitingMessage[] = [];
  for (const { table } of holds) {
    promote(table, context.step());
    const shelf = fact === null ? table.waiting : table.waitingOn.get(fact);
    for (const lane of shelf?.items ?? []) {
      const head = lane?.head ?? null;
      if (head === null) continue;
      const { message, key, acceptedAt } = head;
      const one: WaitingMessage = {
        id: message.id,
        topic: message.topic,
        subscription: registered.name,
        key,
        waitingFor: factsLacking(table, head) ?? [],
        acceptedAt,
        deadlineAt: deadlineOf(table, head),
      };
      if (cursor === null || cursorOf(one) > cursor) found.push(one);
    }
  }
  found.sort((a, b) => (cursorOf(a) < cursorOf(b) ? -1 : 1));
  return found.slice(0, limit + 1);
}
