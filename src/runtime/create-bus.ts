/** Puts the parts of a bus together. Every rule lives in one of the parts; here they only meet. */

import { hostname } from 'node:os';
import { pid } from 'node:process';
import { type Clock, systemClock } from '../clock.ts';
import { MaloteError, optionInvalid } from '../errors.ts';
import { createIds, random } from '../id.ts';
import { checkNames } from '../message/checks.ts';
import { factsOf } from '../message/dependency.ts';
import { toMs } from '../message/duration.ts';
import type { BodyLimits } from '../message/json.ts';
import { isMessageType, type MessageType } from '../message/message.ts';
import type { Capabilities } from '../transport/capabilities.ts';
import type { EngineEvent, Host, SubscriptionSpec } from '../transport/transport.ts';
import type {
  Bus,
  BusOptions,
  ConsumeOptions,
  Handler,
  MessageTypes,
  StoredBusOptions,
} from './bus.ts';
import { type Consumer, createConsumer } from './consumer.ts';
import { checkManyOptions, type EnvelopeContext } from './envelope.ts';
import { createEvents } from './events.ts';
import { createForeign } from './foreign.ts';
import { createInbox, resolveInbox } from './inbox.ts';
import { createInspection } from './inspect.ts';
import { createLink, type Link } from './link.ts';
import { createLogger } from './log.ts';
import { createMarking } from './marking.ts';
import * as options from './options.ts';
import {
  createOutbox,
  type OutboxOptions,
  type OutboxPart,
  placesOf,
  storeApart,
  withoutOutbox,
} from './outbox.ts';
import { createProbing } from './probing.ts';
import { createPublisher, type PublishResult } from './publisher.ts';
import { createReader, type Received } from './reader.ts';
import { resolveSettings } from './settings.ts';
import { createSharing } from './sharing.ts';
import { stopOnSignal } from './signals.ts';
import { createTransactions } from './transactions.ts';

/** What tests put in place of the machine's time, chance and ids. */
export interface Surroundings {
  readonly clock: Clock;
  readonly random: () => number;
  readonly newId: () => string;
  /** Names the process, to engines. */
  readonly process: string;
}

/** A bus whose dealings with the engine a test may cut off or watch. */
export interface TestableBus<Tx> {
  readonly bus: Bus<Tx>;
  /** Ends as a killed process does: nothing is given back. */
  abandon(): void;
  /** Deliveries this process holds. */
  held(): number;
}

const newId = createIds(() => systemClock.now());
let processId: string | null = null;

const machine: Surroundings = {
  clock: systemClock,
  random,
  newId,
  get process() {
    // As people find it, and apart from all that were or will be called the same.
    processId ??= `${hostname()}/${pid}/${newId()}`;
    return processId;
  },
};

/**
 * Creates a bus on an engine. Nothing happens until it is used: the first publish connects, and
 * `start()` runs the consumers.
 *
 * @throws MaloteError `OPTION_UNKNOWN`, `OPTION_INVALID`
 */
export function createBus<Tx = never>(given: BusOptions<Tx>): Bus<Tx>;
export function createBus<Tx>(given: StoredBusOptions<Tx>): Bus<Tx>;
export function createBus<Tx>(given: BusOptions<Tx> | StoredBusOptions<Tx>): Bus<Tx> {
  return assembleBus(given, machine).bus;
}

interface Registration {
  readonly spec: SubscriptionSpec;
  readonly consumer: (spec: SubscriptionSpec) => Promise<Consumer>;
}

export function assembleBus<Tx>(
  given: BusOptions<Tx> | StoredBusOptions<Tx>,
  surroundings: Surroundings,
): TestableBus<Tx> {
  const settings = resolveSettings(given);
  const { clock } = surroundings;
  const limits = { maxBytes: settings.maxBodyBytes, maxDepth: settings.maxBodyDepth };
  const logger = createLogger(given.logger, clock);
  const events = createEvents({ bus: settings.name, clock, logger });
  const foreign = createForeign({ limits, newId: surroundings.newId });
  const { engine, facts } = placesOf(given, { open: () => outbox.link.open() });
  const host: Host = { ...surroundings, ...settings, notify, failed, seal: foreign.seal, facts };
  const envelope = envelopeOf(surroundings, limits, engine.capabilities);
  const link: Link<unknown> = createLink<unknown>(engine, host);
  const mark = createMarking({ events, open: () => (facts === null ? link : joined).open() });
  const probing = createProbing({ clock, events, open: () => link.open() });
  const outbox = outboxFor(given, { engineLink: link, host, events, relay: settings.relay });
  const joined = outbox.link;
  const publisher = createPublisher({ link, joined, clock, events, context: envelope });
  const sharing = createSharing({ ...surroundings, ...given, link, joined, limits, events });
  const registrations = new Map<string, Registration>();
  let consumers: Consumer[] = [];
  let [starting, stopped]: [Promise<void> | null, Promise<void> | null] = [null, null];
  let forgetSignals: () => void = () => {};

  function notify(event: EngineEvent): void {
    events.notify(event);
    if (event.kind === 'waiting') probing.heard(event.facts);
  }

  /** The bus is over but for its `stop`: whoever asks hears why. */
  function failed(error: MaloteError): void {
    if (link.failure !== null) return;
    const { code, message } = error;
    events.emit({ kind: 'engine-failed', code, message });
    link.fail(error);
    outbox.fail(error);
    for (const consumer of consumers) consumer.fail(error);
    publisher.fail(error);
    sharing.stop(error);
    probing.stop();
  }

  function consume<Types extends MessageTypes>(
    types: Types,
    consumeOptions: ConsumeOptions<Types>,
    handler: Handler<Types, Tx>,
  ): void {
    const known = typesByName(types);
    const topics = [...known.keys()];
    const spec = options.consumedSpec(topics, consumeOptions);
    const handling = options.handling(consumeOptions, topics);
    const where = `subscription "${spec.name}"`;
    if (typeof handler !== 'function') {
      throw optionInvalid(`${where}: handler`, 'a function', handler);
    }
    if (registrations.has(spec.name)) throw subscriptionTaken(spec.name);
    if (stopped !== null) throw busStopped();
    if (starting !== null) {
      throw new MaloteError('OPTION_INVALID', `${where} must be consumed before start()`);
    }
    const provides = consumeOptions.provides as ((data: unknown) => never) | undefined;
    const handle = handler as (message: Received, context: unknown) => unknown;
    const database = given.store ?? given.engine;
    const kept = resolveInbox(where, consumeOptions.inbox, { handling, database });
    const { fencing } = engine.capabilities;
    const inbox =
      kept === null ? null : createInbox({ link: joined, acks: !outbox.isApart, fencing, ...kept });
    requireCapabilities(where, known.values(), engine.capabilities);
    foreign.know(known);
    const { rate } = handling;
    const permits = rate === null ? null : sharing.permits(spec.name, rate);
    registrations.set(spec.name, {
      spec,
      async consumer() {
        const { queue } = await link.open();
        return createConsumer({
          subscription: spec.name,
          handling,
          queue,
          permits,
          clock,
          random: surroundings.random,
          events,
          logger,
          envelope,
          inbox,
          isStopping: () => stopped !== null,
          read: createReader(known, limits),
          handle: (message, context) => handle(message, context),
          provides: (message) =>
            provides === undefined ? nothing : factsOf(provides(message.data)),
          roomMade: (messages) => publisher.roomMade(messages),
        });
      },
    });
  }

  async function begin(): Promise<void> {
    const { queue } = await link.open();
    await queue.subscribe([...registrations.values()].map(({ spec }) => spec));
    const made = [...registrations.values()].map(({ consumer, spec }) => consumer(spec));
    consumers = await Promise.all(made);
    await outbox.start();
    for (const consumer of consumers) consumer.start();
    probing.start();
    if (settings.handleSignals) forgetSignals = stopOnSignal(() => bus.stop());
    events.emit({ kind: 'started-bus' });
  }

  async function end(drainMs: number): Promise<void> {
    await starting?.catch(() => {});
    publisher.stopWaiting();
    probing.stop();
    await Promise.all(consumers.map((consumer) => consumer.stop(drainMs)));
    await publisher.flush();
    await outbox.stop();
    sharing.stop();
    // The engine may ask the store for something to its end.
    try {
      await link.close();
    } finally {
      await outbox.close();
    }
    forgetSignals();
    events.emit({ kind: 'stopped-bus' });
  }

  const bus: Bus<Tx> = {
    outbox: outbox.view,
    ...createInspection(async () => (await link.open()).store, { events, clock, outbox }),
    publish: (type, data, publishOptions) => publisher.publish(type, data, publishOptions),
    async publishMany(type, items, publishOptions) {
      if (!Array.isArray(items) || items.length > maxBatch) {
        const got: unknown = Array.isArray(items) ? items.length : items;
        throw optionInvalid('publishMany: items', `a list of at most ${maxBatch}`, got);
      }
      checkManyOptions(publishOptions);
      const each = items.map((data) => publisher.publish(type, data, publishOptions));
      return (await Promise.allSettled(each)).map(resultOf);
    },
    ...createTransactions({ link: joined, events, envelope }),
    consume,
    async subscribe(name, types, subscriptionOptions = {}) {
      const named = typesByName(types);
      const spec = options.subscriptionSpec(name, [...named.keys()], subscriptionOptions);
      foreign.know(named);
      await (await link.open()).queue.subscribe([spec]);
    },
    unsubscribe: async (name) => await (await link.open()).queue.unsubscribe(name),
    start() {
      if (stopped !== null) return Promise.reject(busStopped());
      if (link.failure !== null) return Promise.reject(link.failure);
      starting ??= begin().catch((error: unknown) => {
        // What failed once, such as an engine that is not there yet, may be tried again.
        starting = null;
        throw error;
      });
      return starting;
    },
    async stop(stopOptions = {}) {
      checkNames('stop', stopOptions, ['drain']);
      const drainMs = toMs(stopOptions.drain ?? options.defaults.drain, 'stop: drain');
      stopped ??= end(drainMs);
      await stopped;
    },
    fulfil: (...keys) => mark(keys, 'fulfilled'),
    revoke: (...keys) => mark(keys, 'revoked'),
    cache: sharing.cache,
    lock: sharing.lock,
    async [Symbol.asyncDispose]() {
      await this.stop();
    },
  };

  return {
    bus,
    abandon() {
      forgetSignals();
      probing.stop();
      link.abandon();
      outbox.abandon();
    },
    held: () =>
      consumers.reduce((sum, consumer) => sum + consumer.held, outbox.held + probing.held),
  };
}

function envelopeOf(
  { clock, newId: id }: Surroundings,
  limits: BodyLimits,
  { dedupe }: Capabilities,
): EnvelopeContext {
  return { limits, newId: id, now: () => clock.now(), causation: null, remembers: dedupe };
}

const maxBatch = 1_000;
const nothing: readonly string[] = [];

/** A store that is the engine itself has no outbox: its transactions are the engine's. */
function outboxFor<Tx>(
  given: BusOptions<Tx> | StoredBusOptions<Tx>,
  rest: Omit<OutboxOptions<Tx>, 'engine' | 'store'>,
): OutboxPart<Tx> {
  const { engine } = given;
  const store = storeApart(given);
  if (store === null) return withoutOutbox(rest.engineLink as Link<Tx>);
  return createOutbox({ ...rest, engine, store });
}

function typesByName(types: MessageTypes): ReadonlyMap<string, MessageType> {
  const list = (Array.isArray(types) ? types : [types]) as readonly MessageType[];
  for (const type of list) {
    if (!isMessageType(type)) throw optionInvalid('types', 'made by message()', type);
  }
  return new Map(list.map((type) => [type.name, type]));
}

function resultOf(
  settled: PromiseSettledResult<{ id: string; duplicate: boolean }>,
): PublishResult {
  if (settled.status === 'fulfilled') return { status: 'accepted', ...settled.value };
  const error = settled.reason as MaloteError;
  if (error.code === 'INDETERMINATE') {
    return { status: 'indeterminate', id: error.id ?? '', error };
  }
  return { status: 'refused', id: error.id ?? null, error };
}

/** Refused before anything runs, never silently weakened. */
function requireCapabilities(
  where: string,
  types: Iterable<MessageType>,
  { dedupe }: Capabilities,
): void {
  for (const type of types) {
    if (type.dedupe === undefined || dedupe) continue;
    throw new MaloteError(
      'CAPABILITY_MISSING',
      `${where}: ${type.name} has dedupe, and the engine does not remember keys at publish; ` +
        'give createBus a store that does',
    );
  }
}

function subscriptionTaken(name: string): MaloteError {
  return new MaloteError(
    'SUBSCRIPTION_TAKEN',
    `subscription "${name}" is consumed twice on this bus; give one of them another name, ` +
      'or pass both types to one consume([A, B], …)',
  );
}

function busStopped(): MaloteError {
  return new MaloteError('BUS_STOPPED', 'the bus was stopped; create a new one');
}
