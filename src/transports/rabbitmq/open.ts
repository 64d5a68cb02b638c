/**
 * A connection as the contract sees it. Two connections to the server: one to publish, which the
 * server may block, and one to consume and acknowledge. What is read over the second lives as long
 * as it does; consumptions outlive it and begin anew.
 */

import { MaloteError } from '../../errors.ts';
import type {
  Consumption,
  Demand,
  Host,
  Queue,
  Settlement,
  SettleOutcome,
  Sink,
  Transport,
} from '../../transport/transport.ts';
import type { Consumer } from './hold.ts';
import { createLine, type Line, type Wire } from './line.ts';
import { namesOf, type Names } from './names.ts';
import { startPresence, type Presence } from './presence.ts';
import { createDepths, publish, publishAll, type Outlet } from './publish.ts';
import { createPublisher, type Publisher } from './publisher.ts';
import { createRegistry, type Registered, type Registry } from './registry.ts';
import type { Settings } from './settings.ts';
import {
  cutOff,
  forgetPending,
  isPlain,
  prepare,
  settlePlain,
  settlePrepared,
  type MemberOf,
  type Pending,
} from './settle.ts';
import { answer, storeOf, type Question } from './store.ts';
import { subscribe, unsubscribe, type Subscribing } from './subscribe.ts';
import { startTail, type Tail } from './tail.ts';
import { declareLater, declareNamespace } from './topology.ts';
import { createSharedTokens, startWork, type Work } from './work.ts';

interface Session {
  readonly settings: Settings;
  readonly host: Host;
  readonly names: Names;
  readonly id: string;
  readonly publisher: Publisher;
  readonly publishing: Line;
  readonly consuming: Line;
  /** What is consumed, by subscription. */
  readonly wanted: Map<string, Set<Consumer>>;
  readonly pending: Pending;
  readonly nextNumber: () => number;
  readonly nextSharedToken: () => number;
  life: Life | null;
  outlet: Outlet | null;
  later: Promise<void> | null;
  isOpen: boolean;
  lastSettling: Promise<unknown>;
}

/** What there is between the opening of the consuming connection and its loss. */
interface Life {
  readonly wire: Wire;
  readonly registry: Registry;
  readonly tail: Tail;
  readonly presence: Presence;
  work: Work | null;
  starting: Promise<Work> | null;
}

export async function openTransport(settings: Settings, host: Host): Promise<Transport> {
  const session = createSession(settings, host);
  try {
    await session.publishing.open();
    await session.consuming.open();
  } catch (error) {
    abandon(session);
    throw error;
  }
  return {
    queue: queueOf(session),
    store: storeOf({
      by: () => subscribing(session),
      presence: () => lifeOf(session).presence,
      members: () => membersOf(session),
    }),
    join: null,
    coordination: null,
    close: () => close(session),
    abandon: () => abandon(session),
  };
}

function createSession(settings: Settings, host: Host): Session {
  const names = namesOf(settings.namespace);
  let numbers = 0;
  const publisher = createPublisher({
    line: () => session.publishing,
    url: settings.url,
    waitMs: host.leaseMs,
  });
  const failed = (error: MaloteError): void => host.failed(error);
  const publishing = createLine({
    settings,
    purpose: 'publish',
    failed,
    async opened(wire) {
      await declareNamespace(wire.model, settings, names);
      await publisher.use(wire);
    },
    lost: (_, reason) => publisher.lost(reason),
  });
  const consuming = createLine({
    settings,
    purpose: 'consume',
    failed,
    opened: (wire) => begin(session, wire),
    lost: () => endLife(session),
  });
  const session: Session = {
    settings,
    host,
    names,
    id: host.newId(),
    publisher,
    publishing,
    consuming,
    wanted: new Map(),
    pending: { deliveries: new Set(), leases: new Map() },
    nextNumber: () => (numbers += 1),
    nextSharedToken: createSharedTokens(),
    life: null,
    outlet: null,
    later: null,
    isOpen: true,
    lastSettling: Promise.resolve(),
  };
  return session;
}

async function begin(session: Session, wire: Wire): Promise<void> {
  const { names, settings, host, publisher, id } = session;
  const broken = (reason: string): void => giveUp(session, wire, reason);
  const registry = createRegistry({
    names,
    partitions: settings.partitions,
    changed: (name, now) => subscriptionChanged(session, name, now),
  });
  const { model } = wire;
  const stream = names.registry;
  const read = registry.read;
  const tail = await startTail({ model, publisher, stream, newId: host.newId, read, broken });
  const presence = await startPresence({
    model,
    publisher,
    names,
    session: id,
    newId: host.newId,
    broken,
    answer: (question) => answer(membersOf(session), question as Question),
    told: (message) => session.life?.work?.clerk.answered(message),
    changed: (name) => session.life?.work?.memberships.get(name)?.rebalance(),
    expected: () => expectedPeers(session, wire),
  });
  session.life = { wire, registry, tail, presence, work: null, starting: null };
  session.outlet = {
    names,
    registry,
    publisher,
    later: () => (session.later ??= declareLater(wire.model, settings, names)),
    depths: createDepths(registry, () => session.life?.wire ?? null),
  };
  if (session.wanted.size > 0) await startAll(session);
}

/** Sessions that consume have a consumer of the ledgers; this one is not to be counted. */
async function expectedPeers(session: Session, wire: Wire): Promise<number> {
  const channel = await wire.model.createChannel();
  try {
    const { consumerCount } = await channel.checkQueue(session.names.ledgers);
    return consumerCount - (session.life?.work === null ? 0 : 1);
  } finally {
    await channel.close().catch(() => undefined);
  }
}

function giveUp(session: Session, wire: Wire, reason: string): void {
  if (!session.isOpen || !wire.isOpen) return;
  session.host.failed(new MaloteError('ENGINE_FAILED', `connecting anew: ${reason}`));
  wire.destroy();
}

function endLife(session: Session): void {
  const { life } = session;
  // While it ends, consumers still belong to the holder of this life.
  life?.work?.end();
  session.life = null;
  session.later = null;
  if (life === null) return;
  const error = cutOff();
  life.tail.end(error);
  life.work?.facts.end(error);
}

function subscriptionChanged(session: Session, name: string, now: Registered | null): void {
  const work = session.life?.work;
  const membership = work?.memberships.get(name);
  if (membership === undefined) return;
  const isSame = now?.generation === membership.member.registered.generation;
  membership.changed(isSame ? now : null);
  if (!isSame) session.wanted.delete(name);
}

async function startAll(session: Session): Promise<void> {
  const life = lifeOf(session);
  const work = await workOf(session, life);
  for (const [name, consumers] of session.wanted) {
    const registered = life.registry.byName.get(name);
    const membership = work.memberships.get(name);
    if (registered === undefined) continue;
    if (membership === undefined || membership.member.isForgotten) {
      for (const consumer of consumers) consumer.suspects = 0;
      work.join(registered, consumers);
    } else for (const consumer of consumers) membership.member.consumers.add(consumer);
  }
  work.context.look();
}

function workOf(session: Session, life: Life): Promise<Work> {
  const { host, settings, names, id, publisher, nextNumber, nextSharedToken } = session;
  const { wire, presence } = life;
  life.starting ??= startWork({
    host,
    settings,
    names,
    session: id,
    wire,
    publisher,
    presence,
    nextNumber,
    nextSharedToken,
    broken: (reason) => giveUp(session, wire, reason),
  }).then((work) => {
    life.work = work;
    if (session.life !== life || !session.isOpen) work.end();
    return work;
  });
  return life.starting;
}

function queueOf(session: Session): Queue {
  const { host } = session;
  return {
    subscribe: async (specifications) => subscribe(await subscribing(session), specifications),
    unsubscribe: async (name) => await unsubscribe(await subscribing(session), name),
    publish(batch) {
      if (!session.isOpen) return Promise.reject(closed());
      return publish(session.outlet!, batch, { now: host.clock.now(), isRelayed: false });
    },
    forward(batch) {
      if (!session.isOpen) return Promise.reject(closed());
      return publish(session.outlet!, batch, { now: host.clock.now(), isRelayed: true });
    },
    consume: (subscription, demand, sink) => consume(session, { subscription, demand, sink }),
    settle: (batch) => settle(session, batch),
    async mark(changes) {
      if (!session.isOpen) throw closed();
      if (changes.length === 0) return;
      const { publisher, names } = session;
      const facts = session.life?.work?.facts;
      // A process that consumes has read its own facts when the call resolves.
      if (facts !== undefined) await facts.append(changes);
      else {
        const body = Buffer.from(JSON.stringify(changes));
        const properties = { messageId: host.newId() };
        await publisher.send({ exchange: '', key: names.facts, body, properties });
      }
    },
  };
}

interface Consuming {
  readonly subscription: string;
  readonly demand: Demand;
  readonly sink: Sink;
}

function consume(session: Session, { subscription, demand, sink }: Consuming): Consumption {
  if (!session.isOpen) throw closed();
  const { life } = session;
  if (life !== null && !life.registry.byName.has(subscription)) {
    const sentence = `there is no subscription "${subscription}" to consume; subscribe it first`;
    throw new MaloteError('NOT_FOUND', sentence);
  }
  const consumer: MutableConsumer = {
    get holder() {
      return session.life?.work?.context.holder as Consumer['holder'];
    },
    slots: demand.slots,
    credit: 0,
    suspects: 0,
    sink,
    stopped: false,
  };
  const consumers = session.wanted.get(subscription) ?? new Set();
  session.wanted.set(subscription, consumers.add(consumer));
  const membership = (): ReturnType<Work['join']> | undefined =>
    session.life?.work?.memberships.get(subscription);
  if (life !== null) {
    startAll(session).then(
      () => consumer.stopped || membership()?.comeBack(),
      (error: unknown) => giveUp(session, life.wire, String(error)),
    );
  }
  const look = (): void => session.life?.work?.context.look();
  return {
    grant(messages) {
      if (consumer.stopped || !session.isOpen) return;
      consumer.credit += messages;
      look();
    },
    stop() {
      consumer.stopped = true;
      consumer.credit = 0;
      if (session.isOpen && [...consumers].every(({ stopped }) => stopped)) membership()?.leave();
      look();
    },
  };
}

type MutableConsumer = { -readonly [Name in keyof Consumer]: Consumer[Name] };

async function settle(
  session: Session,
  batch: readonly Settlement[],
): Promise<readonly SettleOutcome[]> {
  if (!session.isOpen) throw closed();
  const work = session.life?.work ?? null;
  if (work === null) return batch.map(() => 'lease-lost');
  const { context, facts } = work;
  const memberOf: MemberOf = (name) => work.memberships.get(name)?.member;
  if (session.pending.deliveries.size === 0 && isPlain(batch)) {
    const outcomes = settlePlain(batch, memberOf);
    context.look();
    await context.wire.flushed();
    return outcomes;
  }
  const prepared = prepare(batch, {
    memberOf,
    pending: session.pending,
    syncFacts: () => facts.sync(),
    effects(publishes, opens) {
      const outlet = session.outlet!;
      const isFull = outlet.depths.firstFull(publishes) !== null;
      if (isFull) return { isFull, stored: Promise.resolve() };
      const changes = opens.map((fact) => ({ fact, state: 'fulfilled' }) as const);
      const stored = Promise.all([
        publishAll(outlet, publishes, session.host.clock.now()),
        changes.length > 0 ? facts.append(changes) : undefined,
      ]);
      return { isFull, stored: stored.then(() => undefined) };
    },
  });
  const settled = session.lastSettling
    .then(() => prepared.stored)
    .then(() => settlePrepared(context, prepared, memberOf));
  const finished = (): void => {
    forgetPending(session.pending, prepared);
    context.look();
  };
  session.lastSettling = settled.then(finished, finished);
  const { outcomes, stored } = await settled;
  await stored;
  await context.wire.flushed();
  return outcomes;
}

function membersOf(
  session: Session,
): Work['memberships'] extends ReadonlyMap<string, infer One>
  ? One extends { readonly member: infer Member }
    ? Member[]
    : never
  : never {
  return [...(session.life?.work?.memberships.values() ?? [])].map(({ member }) => member);
}

async function subscribing(session: Session): Promise<Subscribing> {
  if (!session.isOpen) throw closed();
  await session.consuming.ready(session.host.leaseMs);
  const { host, names, settings, publisher } = session;
  const { wire, registry, tail } = lifeOf(session);
  return { wire, host, names, settings, registry, tail, publisher };
}

function lifeOf(session: Session): Life {
  if (session.life !== null) return session.life;
  throw session.isOpen ? cutOff() : closed();
}

function closed(): MaloteError {
  return new MaloteError('BUS_STOPPED', 'this connection to RabbitMQ is closed');
}

async function close(session: Session): Promise<void> {
  if (!session.isOpen) return;
  await session.lastSettling;
  if (!session.isOpen) return;
  session.isOpen = false;
  const work = session.life?.work ?? null;
  if (work !== null) {
    work.giveBack();
    // An empty ledger: what goes back now was left by somebody who lives.
    await work.clerk.write([]).catch(() => undefined);
    await work.context.wire.flushed();
  }
  endLife(session);
  await session.consuming.close();
  session.publisher.end();
  await session.publishing.close();
}

function abandon(session: Session): void {
  session.isOpen = false;
  session.consuming.destroy();
  session.publishing.destroy();
  endLife(session);
  session.publisher.end();
}
