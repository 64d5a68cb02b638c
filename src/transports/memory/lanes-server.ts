/**
 * The shared side of the memory engine in its `lanes` shape: what would be the database.
 *
 * Every function is one synchronous step, so every step is atomic: an ack with the facts it opens
 * and the messages it publishes, a publish into all subscriptions of its topic, a park with its
 * look at the facts. Whoever takes a step lends the server its ear before (`notify`), and its time.
 */

import {
  createLaneTable,
  depth,
  record,
  type Claimant,
  type Entry,
  type Holder,
  type LaneTable,
  type Step,
} from '../../transport/lane-table.ts';
import { forwardOne, type Stopped } from '../../transport/forward.ts';
import { changeSettings, push } from '../../transport/lane-table-lanes.ts';
import { entriesNamed } from '../../transport/lane-table-names.ts';
import { endLeases } from '../../transport/lane-table-settle.ts';
import { wake } from '../../transport/lane-table-wake.ts';
import { checkUnchanged } from '../../transport/subscription-change.ts';
import type {
  DeadReason,
  EngineEvent,
  FactChange,
  FactId,
  Lease,
  Outgoing,
  PublishOutcome,
  SubscriptionSpec,
} from '../../transport/transport.ts';
import {
  createCatalog,
  dropKept,
  file,
  fullOf,
  keep,
  keptFor,
  tooManyKept,
  unfile,
  type Catalog,
} from './catalog.ts';
import {
  bury,
  createDeadLetters,
  deadOf,
  deadOfId,
  unbury,
  type DeadLetters,
} from './dead-letters.ts';
import { createFinished, type Finished } from './finished.ts';
import { owned } from './owned.ts';
import {
  createRepetitions,
  type Identity,
  remember,
  repeats,
  type Repetitions,
} from './repetitions.ts';

/** A subscription with the messages it holds and the consumptions that compete for them. */
export interface Served {
  spec: SubscriptionSpec;
  readonly table: LaneTable;
  readonly blockedKeys: Set<string>;
  /** Of {@link Server.consumers}. */
  readonly consumers: Set<SessionPort>;
}

/** What the server knows of a connection. */
export interface SessionPort {
  readonly holder: Holder;
  readonly process: string;
  /** Whether a consumption of it goes on. */
  consumes(served: Served): boolean;
  /** Asks it to see soon whether it can be delivered something. */
  look(): void;
  /** Tells it soon that leases of one of its consumptions ended. */
  lose(claimant: Claimant, leases: readonly Lease[]): void;
  endsAt: number;
  /** Others took over what it held. */
  takenOver: boolean;
}

export interface Server {
  readonly catalog: Catalog<Served>;
  readonly facts: Set<FactId>;
  readonly dead: DeadLetters;
  readonly repetitions: Repetitions;
  readonly finished: Finished;
  readonly sessions: Set<SessionPort>;
  /** By the name of a subscription: who consumes it, also while there is none of that name. */
  readonly consumers: Map<string, Set<SessionPort>>;
  /** Of whoever takes the present step. */
  notify: (event: EngineEvent) => void;
  lastOrder: number;
  lastLease: number;
}

const noFacts: readonly FactId[] = [];
const stored: PublishOutcome = { kind: 'stored' };
const storedForLater: PublishOutcome = { kind: 'stored', kept: true };

export function createServer(): Server {
  const server: Server = {
    catalog: createCatalog(),
    facts: new Set(),
    dead: createDeadLetters(),
    repetitions: createRepetitions((message) => isThere(server, message)),
    finished: createFinished(),
    sessions: new Set(),
    consumers: new Map(),
    notify: () => undefined,
    lastOrder: 0,
    lastLease: 0,
  };
  return server;
}

/** Whether a subscription, or the shelf of those without one, holds it, alive or dead. */
function isThere({ catalog, dead }: Server, { id, topic }: Identity): boolean {
  const isIt = ({ message }: { readonly message: Outgoing }): boolean => message.topic === topic;
  const kept = catalog.keptById.get(id);
  if (kept !== undefined && isIt(kept)) return true;
  if (deadOfId(dead, id).some(isIt)) return true;
  return [...catalog.byName.values()].some(({ table }) => entriesNamed(table, id).some(isIt));
}

export function publishAll(
  server: Server,
  batch: readonly Outgoing[],
  step: Step,
): PublishOutcome[] {
  const touched = new Set<Served>();
  const outcomes = batch.map((message) => publishInto(server, { message, touched }, step));
  for (const served of touched) alert(served);
  return outcomes;
}

export function forwardAll(
  server: Server,
  batch: readonly Outgoing[],
  step: Step,
): PublishOutcome[] {
  const touched = new Set<Served>();
  const stopped: Stopped = new Map();
  const outcomes = batch.map((given) =>
    forwardOne(stopped, given, (message) => publishInto(server, { message, touched }, step)),
  );
  for (const served of touched) alert(served);
  return outcomes;
}

function publishInto(
  server: Server,
  { message, touched }: { readonly message: Outgoing; readonly touched: Set<Served> },
  step: Step,
): PublishOutcome {
  const members = server.catalog.byTopic.get(message.topic);
  for (const served of members ?? []) touched.add(served);
  return publishOne(server, { message, members: members ?? [] }, step);
}

function publishOne(
  server: Server,
  { message: given, members }: { readonly message: Outgoing; readonly members: readonly Served[] },
  step: Step,
): PublishOutcome {
  const message = owned(given);
  if (message.dedupe.length > 0) {
    const id = repeats(server.repetitions, message, step.now);
    if (id !== null) return { kind: 'duplicate', id };
  }
  for (const { spec, table } of members) {
    if (depth(table) >= spec.maxDepth) return fullOf(spec);
  }
  server.lastOrder += 1;
  const order = server.lastOrder;
  const acceptedAt = step.now;
  if (members.length === 0 && !keep(server.catalog, { message, order, acceptedAt })) {
    return { kind: 'refused', error: tooManyKept(message) };
  }
  for (const served of members) accept(served, { message, order, acceptedAt }, step);
  if (message.dedupe.length > 0) remember(server.repetitions, message, step.now);
  return members.length === 0 ? storedForLater : stored;
}

interface Accepted {
  readonly message: Outgoing;
  readonly order: number;
  readonly acceptedAt: number;
}

function accept({ spec, table }: Served, accepted: Accepted, step: Step): void {
  const { message, order, acceptedAt } = accepted;
  push(
    table,
    {
      message,
      key: spec.order === 'key' ? message.key : null,
      tag: order,
      order,
      acceptedAt,
      needs: spec.waits ? message.facts : noFacts,
      readyAt: acceptedAt + message.delayMs,
      attempt: 1,
      story: null,
    },
    step,
  );
}

/** The first subscription in which these messages find no room, given that `leaving` makes some. */
export function fullFor(
  server: Server,
  batch: readonly Outgoing[],
  leaving: string,
): Served | undefined {
  const coming = new Map<Served, number>();
  for (const { topic } of batch) {
    for (const served of server.catalog.byTopic.get(topic) ?? []) {
      coming.set(served, (coming.get(served) ?? (served.spec.name === leaving ? -1 : 0)) + 1);
    }
  }
  for (const [served, more] of coming) {
    if (depth(served.table) + more > served.spec.maxDepth) return served;
  }
  return undefined;
}

export function markAll(server: Server, changes: readonly FactChange[], step: Step): void {
  for (const { fact, state } of changes) {
    if (state === 'revoked') server.facts.delete(fact);
    else open(server, fact, step);
  }
}

export function open(server: Server, fact: FactId, step: Step): void {
  server.facts.add(fact);
  for (const [subscription, served] of server.catalog.byName) {
    if (!served.table.waitingOn.has(fact)) continue;
    for (const { message } of wake(served.table, fact, step)) {
      server.notify({ kind: 'woken', fact, subscription, id: message.id });
    }
    alert(served);
  }
}

export function subscribeAll(
  server: Server,
  specifications: readonly SubscriptionSpec[],
  step: Step,
): void {
  checkUnchanged(server.catalog, specifications);
  const members = specifications.map((spec) => {
    const served = server.catalog.byName.get(spec.name) ?? createServed(server, spec);
    changeSettings(served.table, spec);
    file(server.catalog, served, spec);
    return served;
  });
  const adopted = new Set<Parameters<typeof dropKept>[1]>();
  for (const served of members) {
    const { spec } = served;
    if (spec.from !== 'kept') continue;
    const kept = keptFor(server.catalog, spec.topics);
    for (const one of kept) {
      accept(served, one, step);
      adopted.add(one);
    }
    if (kept.length === 0) continue;
    server.notify({ kind: 'adopted', subscription: spec.name, messages: kept.length });
  }
  for (const served of members) alert(served);
  for (const one of adopted) dropKept(server.catalog, one);
}

export function unsubscribeOne(server: Server, name: string, step: Step): boolean {
  const served = server.catalog.byName.get(name);
  if (served === undefined) return false;
  unfile(server.catalog, served);
  served.table.paused = true;
  for (const session of server.sessions) {
    const claimants = new Map<Claimant, Lease[]>();
    for (let held = session.holder.head; held !== null; held = held.next) {
      if (held.table !== served.table) continue;
      const leases = claimants.get(held.claimant) ?? [];
      leases.push({ id: held.id, token: held.token });
      claimants.set(held.claimant, leases);
    }
    endLeases(session.holder, served.table, step);
    for (const [claimant, leases] of claimants) session.lose(claimant, leases);
    session.look();
  }
  for (const dead of deadOf(server.dead, name)) unbury(server.dead, dead);
  return true;
}

/** Everyone who consumes it looks again: something came, or became possible. */
export function alert(served: Served): void {
  for (const session of served.consumers) session.look();
}

/** Buries a message whose key is diverted. */
export function divert(
  server: Server,
  { subscription, entry }: { readonly subscription: string; readonly entry: Entry },
  step: Step,
): void {
  buryEntry(server, { subscription, entry, reason: 'diverted', attempts: entry.attempt - 1 }, step);
  server.notify({ kind: 'diverted', subscription, key: entry.key ?? '', id: entry.message.id });
}

export interface Burial {
  readonly subscription: string;
  readonly entry: Entry;
  readonly reason: DeadReason;
  readonly attempts: number;
}

export function buryEntry(server: Server, burial: Burial, step: Step): void {
  const { subscription, entry, reason, attempts } = burial;
  record(entry, step, { event: 'died', attempt: attempts, detail: reason });
  const { message, key, acceptedAt, story } = entry;
  const diedAt = step.now;
  bury(server.dead, { subscription, message, key, acceptedAt, diedAt, attempts, reason, story });
}

function createServed(server: Server, spec: SubscriptionSpec): Served {
  const { name } = spec;
  const table = createLaneTable({
    subscription: name,
    settings: spec,
    facts: server.facts,
    nextLease() {
      server.lastLease += 1;
      return { id: server.lastLease, token: server.lastLease };
    },
    diverted: (entry, at) => divert(server, { subscription: name, entry }, at),
    waits({ message }, facts) {
      server.notify({ kind: 'waiting', facts, subscription: name, id: message.id });
    },
  });
  const consumers = server.consumers.get(name) ?? new Set();
  server.consumers.set(name, consumers);
  return { spec, table, blockedKeys: new Set(), consumers };
}
