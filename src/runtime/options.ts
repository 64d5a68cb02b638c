/**
 * Every option a user may give, its default and its limits, checked in one place.
 *
 * Unknown names are refused with the nearest known one; nothing is coerced.
 */

import { MaloteError, optionInvalid } from '../errors.ts';
import { checkNames, oneOf, truth, whole } from '../message/checks.ts';
import { type Duration, toMs } from '../message/duration.ts';
import { checkName } from '../message/names.ts';
import { type Backoff, exponential, isBackoff } from '../policy/backoff.ts';
import type { ErrorClass, RetryPolicy } from '../policy/outcome.ts';
import type { Rate } from './pace.ts';
import type { JournalMode, OnDead, SubscriptionSpec } from '../transport/transport.ts';

export interface RetryOptions {
  /** Attempts in all; the first one counts, and so do crashes. @defaultValue 10 */
  readonly attempts?: number;
  /** @defaultValue exponential('1s', { max: '1h', jitter: 'full' }) */
  readonly backoff?: Backoff;
  /** Errors that no retry can cure: the message is dead at once. @defaultValue [] */
  readonly giveUpOn?: readonly ErrorClass[];
}

/** What a subscription is, apart from its name and its types. */
export interface SubscriptionOptions {
  /** `none` gives up the order that `orderBy` asks for. @defaultValue 'key' */
  readonly order?: 'key' | 'none';
  /**
   * What a dead message of an ordered key does to its key: `skip` goes on, `block` stands still
   * until it is redriven or cancelled, `divert` sends the later ones after it. @defaultValue 'skip'
   */
  readonly onDead?: OnDead;
  /** False processes messages without waiting for their facts. @defaultValue true */
  readonly waitFor?: boolean;
  readonly waiting?: {
    /** Counted from acceptance; past it the message is dead. @defaultValue '24h' */
    readonly deadline?: Duration;
    /**
     * `hold`: the messages of a key wait behind one that does. `overtake`: a message that has to
     * wait is out of the order of its key from then on, and may run beside others of it.
     * @defaultValue 'hold'
     */
    readonly order?: 'hold' | 'overtake';
  };
  /** Publishes are refused with `QUEUE_FULL` above it. @defaultValue 1000000 */
  readonly maxDepth?: number;
  /**
   * A subscription that is new, or new to a type, adopts, in order, what was published before any
   * existed (`kept`), or leaves that to another one (`now`). Either way it gets all that is
   * published from then on.
   * @defaultValue 'kept'
   */
  readonly from?: 'now' | 'kept';
  /** Accepts types or an order other than the stored ones. @defaultValue false */
  readonly replace?: boolean;
}

export interface HandlingOptions extends SubscriptionOptions {
  /** The subscription: durable, shared by all processes that use the same name. */
  readonly name: string;
  /** Handlers at once in this process. @defaultValue 10 */
  readonly concurrency?: number;
  /** Handlers at once per message type, within `concurrency`. @defaultValue {} */
  readonly concurrencyByType?: Readonly<Record<string, number | undefined>>;
  /** An attempt that takes longer has failed. @defaultValue '60s' */
  readonly timeout?: Duration;
  readonly retry?: RetryOptions;
  /** Starts no more than that, spread evenly. @defaultValue no limit */
  readonly rate?: RateOptions;
}

export interface RateOptions {
  /** How many handlers may start in any `per`; retries are starts as well. */
  readonly limit: number;
  readonly per: Duration;
  /**
   * `subscription`: over all its processes, by the engine (else by the store). `process`: in this
   * one, on any engine. @defaultValue 'subscription'
   */
  readonly scope?: 'subscription' | 'process';
}

export interface RelayOptions {
  /**
   * What a message that the engine refuses for good does to those of its key behind it: `skip` goes
   * on, `block` stands still until it is redriven (`outbox.dead.redrive`) or cancelled
   * (`messages.cancel`). All relays of a store should say the same: the last one that started
   * counts. @defaultValue 'skip'
   */
  readonly onDead?: 'skip' | 'block';
}

export interface Handling {
  readonly concurrency: number;
  readonly concurrencyByType: ReadonlyMap<string, number>;
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
  readonly rate: Rate | null;
}

export interface BusSettings {
  readonly name: string;
  readonly leaseMs: number;
  readonly journal: JournalMode;
  readonly keepDoneMs: number;
  readonly maxBodyBytes: number;
  readonly maxBodyDepth: number;
  readonly handleSignals: boolean;
  /** Null where this process does not relay. */
  readonly relay: Required<RelayOptions> | null;
}

export interface Defaults {
  readonly name: string;
  readonly lease: Duration;
  readonly journal: JournalMode;
  readonly keepDone: Duration;
  readonly maxBodyBytes: number;
  readonly maxBodyDepth: number;
  readonly handleSignals: boolean;
  readonly relay: boolean;
  readonly drain: Duration;
  readonly subscription: Required<Omit<SubscriptionOptions, 'waiting'>>;
  readonly waiting: Required<NonNullable<SubscriptionOptions['waiting']>>;
  readonly handling: Required<
    Pick<HandlingOptions, 'concurrency' | 'concurrencyByType' | 'timeout'>
  >;
  readonly retry: Required<RetryOptions>;
  readonly rate: Required<Pick<RateOptions, 'scope'>>;
  readonly relaying: Required<RelayOptions>;
}

/**
 * The only place where a default of a bus is written. A test compares it with every
 * `@defaultValue` and with `docs/api.md`.
 */
export const defaults: Defaults = {
  name: 'malote',
  lease: '10s',
  journal: 'exceptions',
  keepDone: '7d',
  maxBodyBytes: 1_048_576,
  maxBodyDepth: 64,
  handleSignals: true,
  relay: true,
  drain: '25s',
  subscription: {
    order: 'key',
    onDead: 'skip',
    waitFor: true,
    maxDepth: 1_000_000,
    from: 'kept',
    replace: false,
  },
  waiting: { deadline: '24h', order: 'hold' },
  handling: { concurrency: 10, concurrencyByType: {}, timeout: '60s' },
  retry: {
    attempts: 10,
    backoff: exponential('1s', { max: '1h', jitter: 'full' }),
    giveUpOn: [],
  },
  rate: { scope: 'subscription' },
  relaying: { onDead: 'skip' },
};

const subscriptionNames = [
  'order',
  'onDead',
  'waitFor',
  'waiting',
  'maxDepth',
  'from',
  'replace',
] as const;
const handlingNames = [
  'name',
  'concurrency',
  'concurrencyByType',
  'timeout',
  'retry',
  'rate',
  'provides',
  'inbox',
  ...subscriptionNames,
] as const;

/** Options of options: where somebody looks for them who wrote them a level too high. */
const nestedNames = [
  'retry.attempts',
  'retry.backoff',
  'retry.giveUpOn',
  'waiting.deadline',
  'rate.limit',
  'rate.per',
];

/** The subscription that a consumer of these topics is for. */
export function consumedSpec(topics: readonly string[], given: HandlingOptions): SubscriptionSpec {
  if (typeof given !== 'object' || given === null) {
    throw optionInvalid('consume: options', 'an object such as { name }', given);
  }
  return subscriptionSpec(given.name, topics, given, handlingNames);
}

export function subscriptionSpec(
  name: string,
  topics: readonly string[],
  given: SubscriptionOptions,
  known: readonly string[] = subscriptionNames,
): SubscriptionSpec {
  const where = `subscription "${checkName(name, 'subscription name')}"`;
  checkNames(where, given, known, nestedNames);
  checkNames(`${where}: waiting`, given.waiting ?? {}, ['deadline', 'order']);
  if (topics.length === 0 || new Set(topics).size !== topics.length) {
    throw optionInvalid(`${where}: types`, 'one or more different message types', topics);
  }
  const { order, onDead, waitFor, maxDepth, from, replace } = filled(given, defaults.subscription);
  const waiting = filled(given.waiting ?? {}, defaults.waiting);
  return {
    name,
    topics,
    order: oneOf(`${where}: order`, order, ['key', 'none']),
    onDead: oneOf(`${where}: onDead`, onDead, ['skip', 'block', 'divert']),
    waits: truth(`${where}: waitFor`, waitFor),
    waitingDeadlineMs: toMs(waiting.deadline, `${where}: waiting.deadline`, 1),
    waitingOrder: oneOf(`${where}: waiting.order`, waiting.order, ['hold', 'overtake']),
    maxDepth: whole(`${where}: maxDepth`, maxDepth, [1, 1e12]),
    from: oneOf(`${where}: from`, from, ['now', 'kept']),
    replace: truth(`${where}: replace`, replace),
  };
}

/** @param topics - those that the consumer handles */
export function handling(given: HandlingOptions, topics: readonly string[]): Handling {
  const where = `subscription "${given.name}"`;
  checkNames(`${where}: retry`, given.retry ?? {}, ['attempts', 'backoff', 'giveUpOn']);
  const { concurrency, concurrencyByType, timeout } = filled(given, defaults.handling);
  const retry = filled(given.retry ?? {}, defaults.retry);
  checkNames(`${where}: concurrencyByType`, concurrencyByType, topics);
  return {
    concurrency: whole(`${where}: concurrency`, concurrency, slots),
    concurrencyByType: new Map(
      Object.entries(concurrencyByType).map(([type, limit]) => [
        type,
        whole(`${where}: concurrencyByType["${type}"]`, limit, slots),
      ]),
    ),
    timeoutMs: toMs(timeout, `${where}: timeout`, 1),
    retry: {
      attempts: whole(`${where}: retry.attempts`, retry.attempts, [1, 1_000]),
      backoff: backoffOf(`${where}: retry.backoff`, retry.backoff),
      giveUpOn: errorClasses(`${where}: retry.giveUpOn`, retry.giveUpOn),
    },
    rate: given.rate === undefined ? null : rateOf(`${where}: rate`, given.rate),
  };
}

/** What to relay with; null where this process is not to. */
export function relaying(given: boolean | RelayOptions): Required<RelayOptions> | null {
  if (given === false) return null;
  const where = 'createBus: relay';
  if (typeof given !== 'boolean' && (typeof given !== 'object' || given === null)) {
    throw optionInvalid(where, "true, false, or options such as { onDead: 'block' }", given);
  }
  const asked = given === true ? {} : given;
  checkNames(where, asked, ['onDead']);
  const { onDead } = filled(asked, defaults.relaying);
  return { onDead: oneOf(`${where}.onDead`, onDead, ['skip', 'block']) };
}

/** What is not given has its default. */
function filled<Values extends object>(given: object, values: Values): Values {
  const found = given as Partial<Values>;
  const names = Object.keys(values) as (keyof Values)[];
  const pairs = names.map((name) => [name, found[name] ?? values[name]]);
  return Object.fromEntries(pairs) as Values;
}

function rateOf(where: string, given: RateOptions): Rate {
  checkNames(where, given, ['limit', 'per', 'scope']);
  const { scope } = filled(given, defaults.rate);
  const scopes = ['subscription', 'process'] as const;
  return {
    limit: whole(`${where}.limit`, given.limit, [1, 1_000_000]),
    perMs: toMs(given.per, `${where}.per`, 1),
    scope: oneOf(`${where}.scope`, scope, scopes),
  };
}

const slots = [1, 10_000] as const;

function backoffOf(where: string, value: Backoff): Backoff {
  if (isBackoff(value)) return value;
  throw optionInvalid(where, 'made by exponential(), linear() or fixed()', value);
}

function errorClasses(where: string, value: readonly ErrorClass[]): readonly ErrorClass[] {
  if (Array.isArray(value) && value.every(isClass)) return value;
  throw new MaloteError('OPTION_INVALID', `${where} must be a list of error classes`);
}

/** A function without a prototype, such as an arrow, makes `instanceof` throw. */
function isClass(kind: unknown): boolean {
  return typeof kind === 'function' && typeof kind.prototype === 'object';
}
