/**
 * Every option a user may give, its default and its limits, checked in one place.
 *
 * Unknown names are refused with the nearest known one; nothing is coerced.
 */

import { MaloteError, optionInvalid, optionUnknown } from '../errors.ts';
import { type Duration, toMs } from '../message/duration.ts';
import { checkName } from '../message/names.ts';
import { type Backoff, exponential, isBackoff } from '../policy/backoff.ts';
import type { ErrorClass, RetryPolicy } from '../policy/outcome.ts';
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
  };
  /** Publishes are refused with `QUEUE_FULL` above it. @defaultValue 1000000 */
  readonly maxDepth?: number;
  /**
   * A new subscription adopts, in order, what was published before any existed (`kept`), or leaves
   * that to another one (`now`). Either way it gets everything published from then on.
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
  readonly concurrencyByType?: Readonly<Record<string, number>>;
  /** An attempt that takes longer has failed. @defaultValue '60s' */
  readonly timeout?: Duration;
  readonly retry?: RetryOptions;
}

export interface Handling {
  readonly concurrency: number;
  readonly concurrencyByType: ReadonlyMap<string, number>;
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
}

export interface BusSettings {
  readonly name: string;
  readonly leaseMs: number;
  readonly journal: JournalMode;
  readonly maxBodyBytes: number;
  readonly maxBodyDepth: number;
  readonly handleSignals: boolean;
  readonly relays: boolean;
}

export interface Defaults {
  readonly name: string;
  readonly lease: Duration;
  readonly journal: JournalMode;
  readonly maxBodyBytes: number;
  readonly maxBodyDepth: number;
  readonly handleSignals: boolean;
  readonly relay: boolean;
  readonly concurrency: number;
  readonly timeout: Duration;
  readonly attempts: number;
  readonly backoff: Backoff;
  readonly deadline: Duration;
  readonly maxDepth: number;
  readonly drain: Duration;
}

/** The only place where a default is written. A test compares it with every `@defaultValue`. */
export const defaults: Defaults = {
  name: 'malote',
  lease: '10s',
  journal: 'exceptions',
  maxBodyBytes: 1_048_576,
  maxBodyDepth: 64,
  handleSignals: true,
  relay: true,
  concurrency: 10,
  timeout: '60s',
  attempts: 10,
  backoff: exponential('1s', { max: '1h', jitter: 'full' }),
  deadline: '24h',
  maxDepth: 1_000_000,
  drain: '25s',
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
  'provides',
  ...subscriptionNames,
] as const;

export function subscriptionSpec(
  name: string,
  topics: readonly string[],
  given: SubscriptionOptions,
): SubscriptionSpec {
  const where = `subscription "${checkName(name, 'subscription name')}"`;
  checkNames(where, given, handlingNames);
  checkNames(`${where}: waiting`, given.waiting ?? {}, ['deadline']);
  if (topics.length === 0 || new Set(topics).size !== topics.length) {
    throw optionInvalid(`${where}: types`, 'one or more different message types', topics);
  }
  return {
    name,
    topics,
    order: oneOf(`${where}: order`, given.order ?? 'key', ['key', 'none']),
    onDead: oneOf(`${where}: onDead`, given.onDead ?? 'skip', ['skip', 'block', 'divert']),
    waits: truth(`${where}: waitFor`, given.waitFor ?? true),
    waitingDeadlineMs: toMs(
      given.waiting?.deadline ?? defaults.deadline,
      `${where}: waiting.deadline`,
      1,
    ),
    maxDepth: whole(`${where}: maxDepth`, given.maxDepth ?? defaults.maxDepth, [1, 1e12]),
    from: oneOf(`${where}: from`, given.from ?? 'kept', ['now', 'kept']),
    replace: truth(`${where}: replace`, given.replace ?? false),
  };
}

export function handling(given: HandlingOptions): Handling {
  const where = `subscription "${given.name}"`;
  const retry = given.retry ?? {};
  checkNames(`${where}: retry`, retry, ['attempts', 'backoff', 'giveUpOn']);
  const byType = Object.entries(given.concurrencyByType ?? {});
  return {
    concurrency: whole(`${where}: concurrency`, given.concurrency ?? defaults.concurrency, slots),
    concurrencyByType: new Map(
      byType.map(([type, limit]) => [
        type,
        whole(`${where}: concurrencyByType["${type}"]`, limit, slots),
      ]),
    ),
    timeoutMs: toMs(given.timeout ?? defaults.timeout, `${where}: timeout`, 1),
    retry: {
      attempts: whole(`${where}: retry.attempts`, retry.attempts ?? defaults.attempts, [1, 1_000]),
      backoff: backoffOf(`${where}: retry.backoff`, retry.backoff ?? defaults.backoff),
      giveUpOn: errorClasses(`${where}: retry.giveUpOn`, retry.giveUpOn ?? []),
    },
  };
}

const slots = [1, 10_000] as const;

export function checkNames(where: string, given: object, known: readonly string[]): void {
  if (typeof given !== 'object' || given === null) {
    throw optionInvalid(`${where}: options`, 'an object', given);
  }
  for (const name of Object.keys(given)) {
    if (!known.includes(name)) throw optionUnknown(where, name, known);
  }
}

export function whole(
  where: string,
  value: unknown,
  [least, most]: readonly [number, number],
): number {
  const valid = Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most;
  if (!valid) throw optionInvalid(where, `a whole number from ${least} to ${most}`, value);
  return value as number;
}

export function oneOf<Choice extends string>(
  where: string,
  value: Choice,
  choices: readonly Choice[],
): Choice {
  if (choices.includes(value)) return value;
  throw optionInvalid(where, choices.map((choice) => `"${choice}"`).join(' or '), value);
}

export function truth(where: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw optionInvalid(where, 'true or false', value);
}

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
