/**
 * A session at work: from its first consumption on, until the connection is lost. It reads facts,
 * keeps its ledger, and looks once per turn for what can be delivered.
 */

import type { Timer } from '../../clock.ts';
import { systemClock } from '../../clock.ts';
import { createHolder, nextDue, stepAt, type Step } from '../../transport/lane-table.ts';
import { giveBackAll } from '../../transport/lane-table-settle.ts';
import { wake } from '../../transport/lane-table-wake.ts';
import type { FactId, Host } from '../../transport/transport.ts';
import { benches, isAlone, type Bench } from './alone.ts';
import { claimAll, deliver, handOut, promoteAll, wantsSilence, type Handing } from './claim.ts';
import { startClerk, type Clerk } from './clerk.ts';
import { factsInStore, factsOnStream, type FactBook, type FactBookOptions } from './facts.ts';
import { hearKept } from './ingress-kept.ts';
import type { Consumer, Context, Source } from './hold.ts';
import { createLedger, type Ledger } from './ledger.ts';
import type { Wire } from './line.ts';
import { join, type Membership } from './member.ts';
import type { Names } from './names.ts';
import { dropHold } from './partition.ts';
import type { Presence } from './presence.ts';
import { whileWanted, type Publisher } from './publisher.ts';
import type { Registered } from './registry.ts';
import type { Settings } from './settings.ts';
import { divert } from './settle.ts';

export interface Work {
  readonly context: Context;
  readonly facts: FactBook;
  readonly clerk: Clerk;
  readonly memberships: ReadonlyMap<string, Membership>;
  /** Consumes a subscription, or goes on with it. */
  join(registered: Registered, consumers: ReadonlySet<Consumer>): Membership;
  /** Hands out nothing more; what is held goes back with its attempt unspent. */
  giveBack(): void;
  /** Everything that was held is somebody else's. */
  end(): void;
}

export interface WorkOptions {
  readonly host: Host;
  readonly settings: Settings;
  readonly names: Names;
  readonly session: string;
  readonly wire: Wire;
  readonly publisher: Publisher;
  readonly messages: Publisher;
  readonly presence: Presence;
  /** Declares the queues in which time passes, once. */
  readonly later: () => Promise<void>;
  readonly nextNumber: () => number;
  readonly nextSharedToken: () => number;
  /** For how long a message may stay unacknowledged before it is taken anew; milliseconds. */
  longestUnacked(): number;
  broken(reason: string): void;
}

interface State {
  readonly options: WorkOptions;
  readonly context: Context;
  readonly memberships: Map<string, Membership>;
  isOpen: boolean;
  isLeaving: boolean;
  isLooking: boolean;
  turn: number;
  dueAt: number;
  dueTimer: Timer | null;
  readonly ledger: Ledger;
  /** Of the list, what the server has not confirmed. */
  unwritten: number;
  readonly bench: Bench;
}

export async function startWork(options: WorkOptions): Promise<Work> {
  const { host, publisher, messages, presence, wire, broken } = options;
  const newId = host.newId;
  const memberships = new Map<string, Membership>();
  const facts = await bookOf(options, {
    opened: (fact) => opened(state, fact),
    tables: () =>
      [...memberships.values()].flatMap(({ member }) =>
        [...member.holds].map(({ table }) => table),
      ),
    broken,
  });
  const tell = presence.tell;
  const { process } = host;
  const isOpen = (): boolean => state.isOpen;
  const clerk = await startClerk({ ...options, model: wire.model, process, newId, tell, isOpen });
  const context: Context = {
    ...options,
    // What was to be said about messages that are somebody else's now is not said any more.
    publisher: whileWanted(publisher, () => state.isOpen),
    messages: whileWanted(messages, () => state.isOpen),
    clerk,
    facts,
    holder: createHolder(),
    isOpen: () => state.isOpen && !state.isLeaving,
    step: () => stepOf(host),
    look: () => look(state),
    unlisted: () => context.publisher.unlessBlocked(writeLedger(state, [])),
    diverted: (hold, entry, step) => void divert(hold.member, entry, step).catch(() => undefined),
  };
  const state: State = {
    options,
    context,
    memberships,
    isOpen: true,
    isLeaving: false,
    isLooking: false,
    turn: 0,
    dueAt: Number.POSITIVE_INFINITY,
    dueTimer: null,
    ledger: createLedger(({ hold, identity }) => hold.member.hashOf(identity)),
    unwritten: 0,
    bench: {
      process,
      holder: context.holder,
      isAtRest: () => state.ledger.isHarmless && state.unwritten === 0 && wire.isFlushed,
    },
  };
  benches.add(state.bench);
  await Promise.all([facts.begin(), hearKept(options)]).catch((error: unknown) => {
    benches.delete(state.bench);
    facts.end();
    throw error;
  });
  return {
    context,
    facts,
    clerk,
    memberships,
    join(registered, consumers) {
      const membership = join(context, registered, consumers);
      memberships.set(registered.name, membership);
      return membership;
    },
    giveBack() {
      state.isLeaving = true;
      giveBackAll(context.holder, context.step());
    },
    end: () => end(state),
  };
}

async function bookOf(options: WorkOptions, hearing: FactBookOptions): Promise<FactBook> {
  const { host, settings, names, publisher, wire, broken, longestUnacked } = options;
  if (host.facts !== null) return factsInStore(await host.facts(), hearing);
  const { newId } = host;
  const stream = { model: wire.model, publisher, stream: names.facts, newId, broken };
  const { keepFactsMs: keepMs, limits } = settings;
  const now = (): number => host.clock.now();
  return factsOnStream(
    { ...stream, now, longestUnacked, silentMs: limits.silentMs },
    { ...hearing, keepMs, most: limits.facts },
  );
}

function stepOf(host: Host): Step {
  return stepAt(host.clock.now(), host);
}

function look(state: State): void {
  if (state.isLooking || !state.isOpen) return;
  state.isLooking = true;
  setImmediate(() => lookNow(state));
}

function lookNow(state: State): void {
  state.isLooking = false;
  if (!state.isOpen || state.isLeaving) return;
  const { context } = state;
  const step = context.step();
  state.turn += 1;
  const members = [...state.memberships.values()].map(({ member }) => member);
  for (const member of members) promoteAll(member, step);
  const isSecluding = members.some(wantsSilence);
  const batches: Handing[] = [];
  const turn = state.turn % Math.max(1, members.length);
  for (const member of [...members.slice(turn), ...members.slice(0, turn)]) {
    batches.push(...claimAll(member, { step, isSecluding, turn: state.turn }));
  }
  const [first] = batches;
  if (first !== undefined && isAlone(state.bench, batches)) handOutAtOnce(state, first);
  else if (first !== undefined) {
    const written = writeLedger(state, batches);
    // Acknowledgements of the messages before leave this process before the next ones begin.
    const before = Promise.all([context.publisher.unlessBlocked(written), context.wire.flushed()]);
    handOut(batches, before);
  } else if (isListLong(state)) void writeLedger(state, []);
  for (const membership of state.memberships.values()) membership.tidy();
  armDue(state, step);
}

/** Where nothing is at work any more, what is listed must not stand in the way of the next one. */
function isListLong({ context: { holder }, ledger }: State): boolean {
  const isInTheWay = holder.held === 0 ? !ledger.isHarmless : holder.held === 1 && ledger.size > 1;
  return isInTheWay && ledger.isStale;
}

/** The list leaves at the end of this very turn, unless the message is done by then. */
function handOutAtOnce(state: State, handing: Handing): void {
  deliver(handing);
  atEndOfMicrotasks(() => {
    if (state.isOpen && state.context.holder.held > 0) void writeLedger(state, [handing], true);
  });
}

function atEndOfMicrotasks(then: () => void): void {
  // Node goes on with these when no microtask is left, and with nothing else before them.
  queueMicrotask(() => process.nextTick(then));
}

function writeLedger(state: State, batches: readonly Handing[], isUrgent = false): Promise<void> {
  const { context, ledger } = state;
  const written = context.clerk.write(ledger.next(sourcesOf(batches)), isUrgent);
  ledger.written(context.clerk.number);
  state.unwritten += 1;
  written.catch(() => ledger.failed()).finally(() => (state.unwritten -= 1));
  return written;
}

function sourcesOf(batches: readonly Handing[]): Source[] {
  const sources: Source[] = [];
  for (const { member, batch } of batches) {
    for (const { tag } of batch) {
      const source = member.sources.get(tag);
      if (source !== undefined) sources.push(source);
    }
  }
  return sources;
}

function armDue(state: State, step: Step): void {
  let next = Number.POSITIVE_INFINITY;
  for (const { member } of state.memberships.values()) {
    for (const { table, delayed, partition } of member.holds) {
      const first = delayed.items[0]?.at ?? Number.POSITIVE_INFINITY;
      next = Math.min(next, nextDue(table), first);
      if (partition?.state !== 'owned') continue;
      const leftMs = partition.renewAt - state.options.host.clock.monotonic();
      next = Math.min(next, step.now + Math.max(1, Math.ceil(leftMs)));
    }
  }
  if (next === state.dueAt) return;
  state.dueTimer?.cancel();
  state.dueAt = next;
  state.dueTimer = Number.isFinite(next)
    ? state.options.host.clock.setTimer(() => {
        state.dueAt = Number.POSITIVE_INFINITY;
        state.dueTimer = null;
        lookNow(state);
      }, next - step.now)
    : null;
}

function opened(state: State, fact: FactId): void {
  const { context, options } = state;
  const step = context.step();
  for (const [subscription, { member }] of state.memberships) {
    for (const { table } of member.holds) {
      for (const { message } of wake(table, fact, step)) {
        options.host.notify({ kind: 'woken', fact, subscription, id: message.id });
      }
    }
  }
  look(state);
}

function end(state: State): void {
  if (!state.isOpen) return;
  state.isOpen = false;
  benches.delete(state.bench);
  state.context.facts.end();
  state.dueTimer?.cancel();
  for (const { member } of state.memberships.values()) {
    for (const hold of member.holds) dropHold(hold);
  }
}

/** 2025-01-01: tokens count from there, 2,048 to a millisecond, until 2059. */
const tokenEpochMs = Date.UTC(2025, 0, 1);

export function createSharedTokens(): () => number {
  let last = 0;
  return () => {
    last = Math.max(last + 1, (systemClock.now() - tokenEpochMs) * 2_048);
    return last;
  };
}
