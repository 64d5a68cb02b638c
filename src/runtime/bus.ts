/** The public face: what `createBus` answers, in types. The promises stand with each method. */

import type { Cache, CacheOptions, KeyRule } from '../cache/cache.ts';
import type { HeldLock, LockOptions } from '../lock/lock.ts';
import type { DependencyKey, DependencyKeys } from '../message/dependency.ts';
import type { Duration } from '../message/duration.ts';
import type { DataOf, InputOf, MessageType } from '../message/message.ts';
import type { Engine, JournalMode } from '../transport/transport.ts';
import type { HandlerContext } from './context.ts';
import type { PublishOptions } from './envelope.ts';
import type { InboxOptions } from './inbox.ts';
import type { InsideWork } from './inside.ts';
import type { Inspection } from './inspect.ts';
import type { Outbox } from './outbox.ts';
import type { PinoLike } from './log.ts';
import type { HandlingOptions, RelayOptions, SubscriptionOptions } from './options.ts';
import type { Published, PublishResult } from './publisher.ts';
import type { Received } from './reader.ts';

export interface BusOptions<Tx> extends CommonBusOptions {
  /** Where messages live; each engine has an entry of its own. */
  readonly engine: Engine<Tx>;
  readonly store?: undefined;
}

export interface StoredBusOptions<Tx> extends CommonBusOptions {
  /** Where messages live; each engine has an entry of its own. */
  readonly engine: Engine<unknown>;
  /**
   * The database that the application writes to. A publish with `tx` on it is stored there, in the
   * caller's transaction, and a relay moves it to the engine. For an engine that cannot (RabbitMQ)
   * it also remembers ids and keys, and keeps facts.
   */
  readonly store: Engine<Tx>;
  /**
   * Whether this process relays, from `start()` on, and how. Several relays share the work.
   * @defaultValue true
   */
  readonly relay?: boolean | RelayOptions;
}

export interface CommonBusOptions {
  /** Tells buses of one process apart in events. @defaultValue 'malote' */
  readonly name?: string;
  /**
   * How long a process that no longer answers keeps its messages; renewed every third of it.
   * At least 100 ms. @defaultValue '10s'
   */
  readonly lease?: Duration;
  /**
   * `exceptions` keeps what befell a message beyond the ordinary, as long as there is the message.
   * `all` keeps its whole life, and for some time after it is done or cancelled; it needs an engine
   * that finds messages by id: memory, SQLite. Each process keeps what it settles.
   * @defaultValue 'exceptions'
   */
  readonly journal?: JournalMode;
  /**
   * With `journal: 'all'`: how long a message that is done or cancelled is still shown; at least
   * 1 s. @defaultValue '7d'
   */
  readonly keepDone?: Duration;
  /** Larger bodies are refused. @defaultValue 1048576 */
  readonly maxBodyBytes?: number;
  /** Deeper bodies are refused. @defaultValue 64 */
  readonly maxBodyDepth?: number;
  /** Stops gracefully on SIGTERM and SIGINT once started. @defaultValue true */
  readonly handleSignals?: boolean;
  /**
   * Any logger shaped like pino's; false for none. Default: warnings, as JSON on standard error.
   */
  readonly logger?: PinoLike | false;
}

/** One type or several; several make one subscription, whose keys run across the types. */
export type MessageTypes = MessageType | readonly MessageType[];

type Each<Types extends MessageTypes> = Types extends readonly MessageType[]
  ? Types[number]
  : Types;

/** What a handler receives: a union over the types, told apart by `msg.type`. */
export type ReceivedOf<Types extends MessageTypes> =
  Each<Types> extends infer Type
    ? Type extends MessageType
      ? Received<Type['name'], DataOf<Type>>
      : never
    : never;

export interface ConsumeOptions<Types extends MessageTypes = MessageTypes> extends HandlingOptions {
  /** Facts that hold once the message is done. A failed attempt opens nothing. */
  readonly provides?: (data: ReceivedOf<Types>['data']) => DependencyKeys;
  /** Handlers at once per message type, within `concurrency`. @defaultValue {} */
  readonly concurrencyByType?: Readonly<Partial<Record<ReceivedOf<Types>['type'], number>>>;
  /**
   * Remembers what was processed, in the store (else the engine), so that what a handler does in
   * `ctx.transaction` happens once. True, or how long; or that store itself. @defaultValue false
   */
  readonly inbox?: boolean | InboxOptions | Engine<unknown>;
}

/**
 * Runs once per delivery. At least once: it may run again for a message it already finished,
 * because an ack can be lost after the work is done. Make it idempotent, or consume with `inbox`
 * and do what must happen once in `ctx.transaction`.
 *
 * | the handler …                      | the message …                                     |
 * | ---------------------------------- | ------------------------------------------------- |
 * | resolves                           | is done; what it staged is stored with that       |
 * | throws, or outlives its time-out   | follows `retry`, and is dead after `attempts`     |
 * | throws an error of `giveUpOn`      | is dead at once                                   |
 * | returns `ctx.waitFor(fact)`        | waits, its attempt unspent                        |
 * | returns `ctx.release()`            | goes back, its attempt unspent                    |
 * | kills its process                  | is delivered again; dead after `attempts`         |
 */
export type Handler<Types extends MessageTypes, Tx = unknown> = (
  message: ReceivedOf<Types>,
  context: HandlerContext<Tx>,
) => unknown;

export interface Bus<Tx = never> extends Inspection, AsyncDisposable {
  /** What waits in the store for its relay. */
  readonly outbox: Outbox;
  /**
   * Resolves once the message is durably stored, for every subscription of its type or, where
   * there is none yet, for the first to come. Connects on first use; needs no running consumer.
   *
   * A rejection carries the message's `id`. Publishing again with an id that you chose never makes
   * two messages while the first is there, or for 7 days after it is done; an id that malote made
   * is not remembered.
   *
   * With `tx` it is stored in the caller's transaction: before the call returns, where the schema
   * is synchronous and the bus was started; await it before you commit, to see a refusal. On a
   * bus with a store it comes to the engine by the outbox, once that transaction is committed.
   *
   * @throws MaloteError `DATA_INVALID`, `MESSAGE_TOO_LARGE`, `MESSAGE_TOO_DEEP`, `OPTION_INVALID`,
   * `OPTION_UNKNOWN`, `QUEUE_FULL`, `PUBLISH_ABORTED`: certainly not stored
   * @throws MaloteError `INDETERMINATE`: may or may not be stored
   * @throws MaloteError `TRANSACTION_REQUIRED`, `ENGINE_MISMATCH`, `CAPABILITY_MISSING` with `tx`
   */
  readonly publish: <Type extends MessageType>(
    type: Type,
    data: InputOf<Type>,
    options?: PublishOptions<Tx>,
  ) => Promise<Published>;
  /**
   * Runs a function in a transaction of the store (else the engine): what it writes with `tx` and
   * what it publishes are stored together or not at all. Resolves with its answer once that is
   * durable; many share one commit, what one throws undoes that one alone and rejects here. The
   * function is synchronous: do slow work before. It never waits for a lock in the event loop.
   *
   * @throws MaloteError `QUEUE_FULL`, `OPTION_INVALID`, `CAPABILITY_MISSING`, `ENGINE_…`
   */
  transaction<Answer>(work: InsideWork<Tx, Answer>): Promise<Answer>;
  /**
   * Publishes up to 1,000 items, in order, each with an answer of its own. Never rejects for one.
   */
  publishMany<Type extends MessageType>(
    type: Type,
    items: readonly InputOf<Type>[],
    options?: Omit<PublishOptions<Tx>, 'id' | 'dedupe' | 'tx'>,
  ): Promise<readonly PublishResult[]>;
  /**
   * Handles a subscription in this process, from `start()` on. Processes with the same name
   * compete; other names get their own copy of every message.
   *
   * @throws MaloteError `SUBSCRIPTION_TAKEN`, `OPTION_UNKNOWN`, `OPTION_INVALID`
   */
  consume<const Types extends MessageTypes>(
    types: Types,
    options: ConsumeOptions<Types>,
    handler: Handler<Types, Tx>,
  ): void;
  /** Registers a subscription durably without handling it: for publishers and deployments. */
  subscribe(name: string, types: MessageTypes, options?: SubscriptionOptions): Promise<void>;
  /**
   * Forgets a subscription with everything it holds. Answers whether there was one. A consumer that
   * still runs gets nothing until the name is subscribed again, and goes on then.
   */
  unsubscribe(name: string): Promise<boolean>;
  /**
   * Registers the subscriptions and starts their handlers.
   *
   * @throws MaloteError `SUBSCRIPTION_CHANGED`, `CAPABILITY_MISSING`, `ENGINE_…`
   */
  start(): Promise<void>;
  /**
   * Takes no new message, waits for running handlers up to `drain` (25 s), aborts their signals,
   * gives back what is unfinished with its attempt unspent, closes. Always settles; repeating is
   * safe.
   */
  stop(options?: { readonly drain?: Duration }): Promise<void>;
  /** Opens facts: whatever waits for them goes on, and whatever comes later does not wait. */
  fulfil(...keys: readonly DependencyKey[]): Promise<void>;
  /** Closes facts again: messages released by them stay released, later ones wait. */
  revoke(...keys: readonly DependencyKey[]): Promise<void>;
  /**
   * A cache that all processes of the engine share: on a miss one of them loads, the others wait
   * and are woken. Nothing happens until it is asked.
   *
   * @throws MaloteError `CACHE_TAKEN`, `OPTION_UNKNOWN`, `OPTION_INVALID`, `CAPABILITY_MISSING`
   */
  cache<Value, Key = string>(
    name: string,
    options: CacheOptions<Key, Value> & KeyRule<Key>,
  ): Cache<Key, Value>;
  /**
   * Holds a lock that one process of the engine holds at a time, and keeps it until it is released.
   *
   * @throws MaloteError `LOCK_TIMEOUT` when another held it for all of `wait`
   * @throws MaloteError `WAIT_ABORTED`, `OPTION_UNKNOWN`, `OPTION_INVALID`, `CAPABILITY_MISSING`
   */
  lock(name: string, options?: LockOptions): Promise<HeldLock>;
}
