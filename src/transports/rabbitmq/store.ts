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
  PartitionView,
  Store,
  SubscriptionView,
  WaitingMessage,
  WaitingQuery,
} from '../../transport/store.ts';
import { checkLimit, pageOfDead } from './dead.ts';
import { cutOff, isGone, named } from './failures.ts';
import type { Member } from './hold.ts';
import { isTaken } from './partition.ts';
import { lengthsOf } from './publish.ts';
import type { Presence } from './presence.ts';
import { redrive } from './redrive.ts';
import type { Held } from './room.ts';
import { restore, setPaused, type Subscribing } from './subscribe.ts';

export interface Looking {
  /** What changes to subscriptions need; rejects when there is no connection. */
  by(): Promise<Subscribing>;
  presence(): Presence;
  members(): Iterable<Member>;
}

export type Question =
  | { readonly kind: 'held' }
  | { readonly kind: 'facts' }
  | { readonly kind: 'waiting'; readonly query: WaitingQuery };

export function storeOf(looking: Looking): Store {
  return {
    get: () => Promise.reject(cannotFind('messages.get', lookInstead)),
    cancel: () => Promise.reject(cannotFind('messages.cancel', cancelInstead)),
    dead: (query) =>
      againIfCut(() =>
        seeing(looking, 'looking at dead letters', async () => {
          const by = await looking.by();
          return await pageOfDead(by, [...by.registry.byName.values()], query);
        }),
      ),
    redrive: (which) =>
      seeing(looking, 'sending dead letters back', async () => {
        const by = await looking.by();
        const held = (): Promise<Held[]> => askHeld(looking.members(), looking.presence());
        return await redrive({ ...by, held }, [...by.registry.byName.values()], which);
      }),
    waiting: (query) =>
      againIfCut(() => named('looking at what waits', () => waitingPage(looking, query))),
    subscriptions: () =>
      againIfCut(() =>
        seeing(looking, 'looking at subscriptions', () => subscriptionViews(looking)),
      ),
    setPaused: (name, isPaused) =>
      named('pausing', async () => setPaused(await looking.by(), name, isPaused)),
  };
}

/** Who looks may be the first to find that a queue was deleted underfoot. */
function seeing<Answer>(
  looking: Looking,
  doing: string,
  see: () => Promise<Answer>,
): Promise<Answer> {
  return named(doing, async () => {
    try {
      return await see();
    } catch (error) {
      if (!isGone(error)) throw error;
      const by = await looking.by();
      for (const registered of by.registry.byName.values()) await restore(by, registered);
      return await see();
    }
  });
}

/** What only looks may look twice: over the next connection, where one ends before the answer. */
async function againIfCut<Answer>(look: () => Promise<Answer>): Promise<Answer> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof MaloteError) || error.code !== 'INDETERMINATE') throw error;
    return await look();
  }
}

const lookInstead =
  'list what waits or is dead, with bus.waiting.list() and bus.dead.list(), or on the command ' +
  'line with malote waiting and malote dead list';
const cancelInstead = 'let its handler look whether it is still wanted';

function cannotFind(call: string, cure: string): MaloteError {
  const needed = `${call} needs an engine that can find a message by its id`;
  return new MaloteError('CAPABILITY_MISSING', `${needed}; a RabbitMQ queue cannot: ${cure}`);
}

/** Answers what another session, or this one, asks. */
export function answer(
  members: Iterable<Member>,
  question: Exclude<Question, { readonly kind: 'facts' }>,
): unknown {
  return question.kind === 'held'
    ? [...members].map(heldBy)
    : [...members].flatMap((member) => waitingIn(member, question.query));
}

function heldBy(member: Member): Held {
  const { context, registered, holds, consumers, doneCount, isForgotten } = member;
  const { process } = context.host;
  const isConsuming = !isForgotten && [...consumers].some(({ stopped }) => !stopped);
  const owned: [number, number][] = [];
  const sum = { ...betweenQueues(member), leased: 0, retrying: 0, waiting: 0 };
  const blockedKeys: string[] = [];
  const sides: Record<string, number> = {};
  for (const { table, partition } of holds) {
    promote(table, context.step());
    const { scheduled, ready, leased, retrying, waiting } = table.counts;
    sum.scheduled += scheduled;
    sum.ready += ready;
    sum.leased += leased;
    sum.retrying += retrying;
    sum.waiting += waiting;
    if (partition !== null)
      sides[registered.queues.side[partition.index]!] = partition.side.unacked;
    if (partition !== null && isTaken(partition)) owned.push([partition.index, partition.epoch]);
    for (const [key, { note }] of partition?.shuts ?? []) {
      if (note.state === 'blocked') blockedKeys.push(key);
    }
  }
  const at = { subscription: registered.name, process, isConsuming, owned };
  return { ...at, ...sum, done: doneCount, blockedKeys, sides };
}

/** What is in no table: not due yet, being asked about, or on its way to another queue. */
function betweenQueues({ holds, sources, ingress }: Member): { scheduled: number; ready: number } {
  const sum = { scheduled: 0, ready: ingress?.held ?? 0 };
  for (const { entry, isDone, delayed } of sources.values()) {
    if (entry !== null || isDone) continue;
    if (delayed === null) sum.ready += 1;
    else sum.scheduled += 1;
  }
  for (const { incoming, partition } of holds) {
    const { backlog = [], gate = [] } = partition ?? {};
    for (const { arrived } of [...incoming, ...backlog, ...gate]) {
      if (arrived.note === null || arrived.note.kind === 'copy') sum.ready += 1;
    }
  }
  return sum;
}

/** What every session holds of every subscription, this one included. */
export async function askHeld(members: Iterable<Member>, presence: Presence): Promise<Held[]> {
  const question = { kind: 'held' } as const;
  const others = await presence.ask(question);
  return [answer(members, question), ...others].flat() as Held[];
}

/** How many messages of one subscription that are. */
export function heldOf(name: string, held: readonly Held[]): number {
  let sum = 0;
  for (const { subscription, scheduled, ready, leased, retrying, waiting } of held) {
    if (subscription === name) sum += scheduled + ready + leased + retrying + waiting;
  }
  return sum;
}

async function subscriptionViews(looking: Looking): Promise<SubscriptionView[]> {
  const by = await looking.by();
  await by.tail.sync();
  const all = [...by.registry.byName.values()];
  const before = await Promise.all(all.map((one) => lengthsOf(by.wire, one)));
  const held = await askHeld(looking.members(), looking.presence());
  const views = all.map(async (registered, index) => {
    const { name, spec, isPaused } = registered;
    const mine = held.filter(({ subscription }) => subscription === name);
    const total = (of: (one: Held) => number): number =>
      mine.reduce((sum, one) => sum + of(one), 0);
    const lengths = await lengthsOf(by.wire, registered);
    const states = {
      scheduled: total((one) => one.scheduled),
      // Whatever was handed over between the looks is rather counted twice than not at all.
      ready: Math.max(lengths.waiting, before[index]!.waiting) + total((one) => one.ready),
      leased: total((one) => one.leased),
      retrying: total((one) => one.retrying),
      waiting: total((one) => one.waiting),
    };
    const depth = Object.values(states).reduce((sum, one) => sum + one, 0);
    const stats = {
      oldestAt: null,
      depth,
      ...states,
      dead: lengths.dead,
      done: total((one) => one.done),
      cancelled: 0,
    };
    const blockedKeys = mine.flatMap((one) => one.blockedKeys).slice(0, 100);
    const consumers = consumersOf(mine, lengths.sessions);
    const partitions = Array.from({ length: registered.partitions }, (_, at) => ownerOf(mine, at));
    return { ...spec, paused: isPaused, stats, blockedKeys, consumers, partitions };
  });
  return await Promise.all(views);
}

/** Processes that have answered, and sessions that the server knows of and that have not. */
function consumersOf(held: readonly Held[], sessions: number): number {
  const consuming = held.filter(({ isConsuming }) => isConsuming);
  const silent = Math.max(0, sessions - held.length);
  return new Set(consuming.map(({ process }) => process)).size + silent;
}

/** A process that has not heard yet that it lost a partition took it in an earlier epoch. */
function ownerOf(held: readonly Held[], index: number): PartitionView {
  let [owner, latest]: [string | null, number] = [null, 0];
  for (const { process, owned } of held) {
    const epoch = owned.find(([at]) => at === index)?.[1] ?? 0;
    if (epoch > latest) [owner, latest] = [process, epoch];
  }
  return { index, owner };
}

async function waitingPage(looking: Looking, query: WaitingQuery): Promise<Page<WaitingMessage>> {
  const limit = checkLimit(query.limit);
  const { wire } = await looking.by();
  const question = { kind: 'waiting', query } as const;
  const others = await looking.presence().ask(question);
  // Who has not answered is passed over, and nobody could.
  if (!wire.isOpen) throw cutOff();
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
