/**
 * A session at work: from its first consumption on, until the connection is lost. It reads facts,
 * keeps its ledger, and looks once per turn for what can be delivered.
 */

import type { Timer } from '../../clock.ts';
import { systemClock } from '../../clock.ts';
import { createHolder, nextDue, type Step } from '../../transport/lane-table.ts';
import { coveredBy, giveBackAll } from '../../transport/lane-table-settle.ts';
import { wake } from '../../transport/lane-table-wake.ts';
import type { FactId, Host } from '../../transport/transport.ts';
import { claimAll, handOut, isSeclusionWanted, promoteAll, type Handing } from './claim.ts';
import { startClerk, type Clerk } from './clerk.ts';
import { createFacts } from './facts.ts';
import { hashOf, type Consumer, type Context } from './hold.ts';
import type { Wire } from './line.ts';
import { join, type Membership } from './member.ts';
import type { Names } from './names.ts';
import { dropHold } from './partition.ts';
import type { Presence } from './presence.ts';
import type { Publisher } from './publisher.ts';
import type { Registered } from './registry.ts';
import type { Settings } from './settings.ts';
import { divert } from './settle.ts';
import { startTail, type Tail } from './tail.ts';
import { identityOf } from './wire-format.ts';

export interface Work {
  readonly context: Context;
  readonly facts: Tail;
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
  readonly presence: Presence;
  readonly nextNumber: () => number;
  readonly nextSharedToken: () => number;
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
  /** How many messages the last ledger listed. */
  listed: number;
}

export async function startWork(options: WorkOptions): Promise<Work> {
  const { host, names, publisher, presence, wire, session, broken } = options;
  const newId = host.newId;
  const memberships = new Map<string, Membership>();
  const facts = createFacts((fact) => opened(state, fact));
  const tell = presence.tell;
  const clerk = await startClerk({
    model: wire.model,
    publisher,
    names,
    session,
    process: host.process,
    newId,
    tell,
    broken,
  });
  const context: Context = {
    ...options,
    clerk,
    facts: facts.holding,
    holder: createHolder(),
    isOpen: () => state.isOpen && !state.isLeaving,
    step: () => stepOf(host),
    look: () => look(state),
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
    listed: 0,
  };
  const { read } = facts;
  const tail = await startTail({
    model: wire.model,
    publisher,
    stream: names.facts,
    newId,
    read,
    broken,
  });
  return {
    context,
    facts: tail,
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

function stepOf({ clock, journal }: Host): Step {
  return { now: clock.now(), journal: journal === 'exceptions' };
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
  const isSecluding = members.some(isSeclusionWanted);
  const batches: Handing[] = [];
  const first = state.turn % Math.max(1, members.length);
  for (const member of [...members.slice(first), ...members.slice(0, first)]) {
    batches.push(...claimAll(member, { step, isSecluding, turn: state.turn }));
  }
  if (batches.length > 0) {
    const written = writeLedger(state);
    // What is new waits until the ledger has left the process, and no longer.
    void context.wire.flushed().then(() => handOut(batches, written));
  } else if (context.holder.held === 1 && state.listed > 1) void writeLedger(state);
  for (const membership of state.memberships.values()) membership.tidy();
  armDue(state, step);
}

function writeLedger(state: State): Promise<void> {
  const { context } = state;
  const hashes: number[] = [];
  for (let held = context.holder.head; held !== null; held = held.next) {
    const member = state.memberships.get(held.table.subscription)?.member;
    if (member === undefined) continue;
    for (const { message } of coveredBy(held)) hashes.push(hashOf(member, identityOf(message)));
  }
  state.listed = hashes.length;
  const written = context.clerk.write(hashes);
  written.catch(() => undefined);
  return written;
}

function armDue(state: State, step: Step): void {
  let next = Number.POSITIVE_INFINITY;
  for (const { member } of state.memberships.values()) {
    for (const { table } of member.holds) next = Math.min(next, nextDue(table));
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
