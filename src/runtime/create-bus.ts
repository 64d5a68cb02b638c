/** Puts the parts of a bus together. Every rule lives in one of the parts; here they only meet. */

import { type Clock, systemClock } from '../clock.ts';
import { MaloteError, optionInvalid } from '../errors.ts';
import { createIds, random } from '../id.ts';
import { type DependencyKey, factsOf } from '../message/dependency.ts';
import { toMs } from '../message/duration.ts';
import { isMessageType, type MessageType } from '../message/message.ts';
import type { Capabilities } from '../transport/capabilities.ts';
import type { FactChange, Host, SubscriptionSpec } from '../transport/transport.ts';
import type {
  Bus,
  BusOptions,
  ConsumeOptions,
  Handler,
  MessageTypes,
  StoredBusOptions,
} from './bus.ts';
import { type Consumer, createConsumer } from './consumer.ts';
import type { EnvelopeContext } from './envelope.ts';
import { createEvents } from './events.ts';
import { createInspection } from './inspect.ts';
import { createLink, type Link } from './link.ts';
import { createLogger } from './log.ts';
import * as options from './options.ts';
import { createOutbox, type OutboxOptions, type OutboxPart, withoutOutbox } from './outbox.ts';
import { createPublisher, type PublishResult } from './publisher.ts';
import { createReader, type Received } from './reader.ts';
import { resolveSettings } from './settings.ts';
import { stopOnSignal } from './signals.ts';

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
    processId ??= newId();
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
  const envelope: EnvelopeContext = {
    limits,
    newId: surroundings.newId,
    now: () => clock.now(),
    causation: null,
  };
  const { leaseMs, journal } = settings;
  const host: Host = { ...surroundings, leaseMs, journal, notify: events.emit, failed };
  const link: Link<unknown> = createLink<unknown>(given.engine, host);
  const outbox = outboxFor(given, { engineLink: link, host, events, relays: settings.relays });
  const joined = outbox.link;
  const publisher = createPublisher({ link, joined, clock, events, context: envelope });
  const registrations = new Map<string, Registration>();
  let consumers: Consumer[] = [];
  let starting: Promise<void> | null = null;
  let stopped: Promise<void> | null = null;
  let forgetSignals: () => void = () => {};

  /** The bus is over but for its `stop`: whoever asks hears why. */
  function failed(error: MaloteError): void {
    if (link.failure !== null) return;
    const { code, message } = error;
    events.emit({ kind: 'engine-failed', code, message });
    link.fail(error);
    outbox.fail(error);
    for (const consumer of consumers) consumer.fail(error);
    publisher.fail(error);
  }

  function consume<Types extends MessageTypes>(
    types: Types,
    consumeOptions: ConsumeOptions<Types>,
    handler: Handler<Types>,
  ): void {
    const known = typesByName(types);
    const spec = options.subscriptionSpec(consumeOptions.name, [...known.keys()], consumeOptions);
    const handling = options.handling(consumeOptions);
    const where = `subscription "${spec.name}"`;
    if (typeof handler !== 'function') {
      throw optionInvalid(`${where}: handler`, 'a function', handler);
    }
    if (registrations.has(spec.name)) throw subscriptionTaken(spec.name);
    if (starting !== null) {
      throw new MaloteError('OPTION_INVALID', `${where} must be consumed before start()`);
    }
    const provides = consumeOptions.provides as ((data: unknown) => never) | undefined;
    const handle = handler as (message: Received, context: unknown) => unknown;
    requireCapabilities(where, known.values(), given.engine.capabilities);
    registrations.set(spec.name, {
      spec,
      async consumer() {
        const { queue } = await link.open();
        return createConsumer({
          subscription: spec.name,
          onDead: spec.onDead,
          handling,
          queue,
          clock,
          random: surroundings.random,
          events,
          logger,
          envelope,
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
    if (settings.handleSignals) forgetSignals = stopOnSignal(() => bus.stop());
    events.emit({ kind: 'started-bus' });
  }

  async function end(drainMs: number): Promise<void> {
    await starting?.catch(() => {});
    publisher.stopWaiting();
    await Promise.all(consumers.map((consumer) => consumer.stop(drainMs)));
    await publisher.flush();
    await outbox.stop();
    await Promise.all([outbox.close(), link.close()]);
    forgetSignals();
    events.emit({ kind: 'stopped-bus' });
  }

  async function mark(keys: readonly DependencyKey[], state: FactChange['state']): Promise<void> {
    const facts = factsOf(keys);
    if (facts.length === 0) return;
    const { queue } = await link.open();
    await queue.mark(facts.map((fact) => ({ fact, state })));
    events.emit({ kind: state, facts });
  }

  const bus: Bus<Tx> = {
    outbox: outbox.view,
    ...createInspection(async () => (await link.open()).store, events),
    publish: (type, data, publishOptions) => publisher.publish(type, data, publishOptions),
    async publishMany(type, items, publishOptions) {
      if (!Array.isArray(items) || items.length > maxBatch) {
        throw optionInvalid('publishMany: items', `a list of at most ${maxBatch}`, items.length);
      }
      const each = items.map((data) => publisher.publish(type, data, publishOptions));
      return (await Promise.allSettled(each)).map(resultOf);
    },
    consume,
    async subscribe(name, types, subscriptionOptions = {}) {
      const spec = options.subscriptionSpec(
        name,
        [...typesByName(types).keys()],
        subscriptionOptions,
      );
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
    stop({ drain = options.defaults.drain } = {}) {
      stopped ??= end(toMs(drain, 'stop: drain'));
      return stopped;
    },
    fulfil: (...keys) => mark(keys, 'fulfilled'),
    revoke: (...keys) => mark(keys, 'revoked'),
    async [Symbol.asyncDispose]() {
      await this.stop();
    },
  };

  return {
    bus,
    abandon() {
      forgetSignals();
      link.abandon();
      outbox.abandon();
    },
    held: () => consumers.reduce((sum, consumer) => sum + consumer.held, outbox.held),
  };
}

const maxBatch = 1_000;
const nothing: readonly string[] = [];

/** A store that is the engine itself has no outbox: its transactions are the engine's. */
function outboxFor<Tx>(
  given: BusOptions<Tx> | StoredBusOptions<Tx>,
  rest: Omit<OutboxOptions<Tx>, 'engine' | 'store'>,
): OutboxPart<Tx> {
  const { engine, store } = given;
  if (store === undefined || store.address === engine.address) {
    return withoutOutbox(rest.engineLink as Link<Tx>);
  }
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
      `${where}: ${type.name} has dedupe, and the engine does not remember keys at publish`,
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
