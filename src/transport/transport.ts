/**
 * The contract between malote and an engine: what a transport must do, and nothing on how.
 *
 * A transport moves messages and decides nothing: retry schedules, give-up lists, concurrency,
 * time-outs and shutdown live in the runtime and behave the same on every engine. Two kinds of
 * engine fit behind it: a store whose transport leases lanes, and a broker that pushes the
 * messages of partitions (then `transport/lane-table.ts` turns pushes into lane leases).
 *
 *     publish ─▶ scheduled ─due─▶ ready ─deliver─▶ leased ─settle─▶ gone │ dead │ ready (later)
 *                                  ▲                 │
 *                      waiting ─fact─┘               └─ process gone: ready again, attempt + 1
 *
 * A *lane* is the messages of one key in one subscription. A *lease* covers either a run of
 * messages from the head of one lane, or any number of messages without a key.
 *
 * Invariants, each one a case of the conformance suite:
 *
 *  1. `stored` means delivered at least once per subscription of its topic; a topic without a
 *     subscription keeps its messages, in order, for the first one.
 *  2. At any instant at most one lease on a message, and on a lane, is valid.
 *  3. With `fencing`, a settlement under a lost lease changes nothing and answers `lease-lost`.
 *  4. Inside a lane lease, acks arrive in order; only a prefix is ever removed.
 *  5. Any settlement of a lane's delivery but an ack ends that lease: what is behind goes back in
 *     place; later settlements answer `lease-lost`.
 *  6. Retry, park, release and crash change the state of the lane, never the order in it. A
 *     lane's back-off and wait hold only that lane.
 *  7. Deliveries outstanding never exceed what was granted.
 *  8. A fact marked before, after, or at the same time as a park releases the parked message.
 *  9. After a crash the head's attempt is higher, the survivors are suspects ({@link Suspicion}),
 *     and a message with attempt > 1 is the last of its lease (unordered: alone in its lease).
 *     Only a death in the very turn of {@link Sink.deliver} may go uncounted, once for a message.
 * 10. An `ack` makes its facts and its publishes durable no later than itself, or not at all.
 *
 * Transports do not retry on behalf of the caller, but for waiting on a busy engine within
 * {@link Host.leaseMs}. They reject with a MaloteError that names the cause.
 */

import type { Clock } from '../clock.ts';
import type { ErrorCode, MaloteError } from '../errors.ts';
import type { DeadReason, Failure } from '../message/life.ts';
import type { Capabilities } from './capabilities.ts';
import type { Coordination } from './coordination.ts';
import type { Delivery, Foreign, Lease, Outgoing, Sealed } from './delivery.ts';
import type { Effects } from './effects.ts';
import type { Facts } from './facts.ts';
import type { Store } from './store.ts';
import type { FactChange, FactId, Need, SubscriptionSpec } from './subscription.ts';

export type { DeadReason, Failure, Suspicion } from '../message/life.ts';
export type { Delivery, Foreign, Lease, Outgoing, Sealed } from './delivery.ts';
export type { FactChange, FactId, Need, OnDead, SubscriptionSpec } from './subscription.ts';

/** What `sqlite(path)` or `memory()` make: cheap, lazy, reusable by several buses. */
export interface Engine<Tx = never> {
  /** Lower-case name for errors, events and the guarantees page. */
  readonly name: string;
  /** Equal for engines that reach the same messages. Known before anything is opened. */
  readonly address: string;
  readonly capabilities: Capabilities;
  /** Connects, creates or migrates what the engine needs, starts this process's session. */
  open(host: Host): Promise<Transport<Tx>>;
  /**
   * Looks at the server, or the file, and answers what there stands against a promise. Changes
   * nothing. Rejects as {@link Engine.open} does when it cannot look.
   */
  examine(): Promise<readonly Finding[]>;
}

/** `refused`: a promise would be broken. `warning`: one is given up, or something stands still. */
export interface Finding {
  readonly level: 'refused' | 'warning';
  readonly sentence: string;
  /** What would be opened is not there yet: who only looks can see no more. */
  readonly isAbsence?: true;
}

/** What the runtime gives a transport: time, chance, identity and an ear. */
export interface Host {
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly newId: () => string;
  /** The same for all connections of one process: they die together. */
  readonly process: string;
  /** How long a silent process keeps its leases. A session renews itself every third of it. */
  readonly leaseMs: number;
  readonly journal: JournalMode;
  /** With the journal on `all`: how long what is known of a done message is kept. */
  readonly keepDoneMs: number;
  /**
   * Computes of a message whose publisher runs no functions what a publish computes. Knows the
   * types of all subscriptions of this process; neither throws nor rejects.
   */
  readonly seal: (foreign: Foreign) => Sealed | Promise<Sealed>;
  /**
   * Where facts are kept in place of the engine: in a store beside it. Null: in the engine itself,
   * as always with `capabilities.atomicSettle`.
   */
  readonly facts: (() => Promise<Facts>) | null;
  /**
   * `never`: who only looks makes no file, no tables in one, and no namespace on a server. `open`
   * rejects `ENGINE_UNREACHABLE` where there are none.
   * @defaultValue 'if-missing'
   */
  readonly create?: 'if-missing' | 'never';
  /** Hears what the engine did by itself. Must not throw. */
  notify(event: EngineEvent): void;
  /**
   * Hears, once and not before `open` has answered, that the transport cannot go on, for example
   * because the file is corrupt. Every call rejects with that error then; `close` still settles.
   */
  failed(error: MaloteError): void;
}

/** One connection of one process to an engine. */
export interface Transport<Tx = never> {
  readonly queue: Queue;
  readonly store: Store;
  /** Publishing inside the caller's own transaction; null without `capabilities.transactions`. */
  readonly join: Join<Tx> | null;
  /** The caller's functions in transactions of the engine; null without the same. */
  readonly effects: Effects<Tx> | null;
  /** Locks and cached values; null without `capabilities.coordination`. */
  readonly coordination: Coordination | null;
  /** Facts for the messages of another engine; null without `capabilities.keepsFacts`. */
  readonly facts: Facts | null;
  /**
   * Ends all consumptions, gives back what is unsettled (attempt unspent), closes. Settles
   * always.
   */
  close(): Promise<void>;
  /**
   * Drops the connection as a dying process does: nothing is given back, leases end by
   * themselves.
   */
  abandon(): void;
}

export interface Queue {
  /**
   * Registers subscriptions durably, in one step, and adopts the kept messages of their topics.
   * Rejects `SUBSCRIPTION_CHANGED` where a stored one has other topics or another order, unless
   * `replace` is set. The other fields of the specification are updated.
   */
  subscribe(specifications: readonly SubscriptionSpec[]): Promise<void>;
  /** Forgets a subscription with everything it holds. Answers whether it existed. */
  unsubscribe(name: string): Promise<boolean>;
  /** One outcome per message, in order. Messages of one batch keep their order per key. */
  publish(batch: readonly Outgoing[]): Promise<readonly PublishOutcome[]>;
  /**
   * Publishes for a relay: behind a message that was not stored, whatever the reason, nothing of
   * its key is, nor answered as if it were.
   */
  forward(batch: readonly Outgoing[]): Promise<readonly PublishOutcome[]>;
  /**
   * Starts deliveries of a registered subscription, never more than granted. Goes on with the next
   * subscription of that name, should this one be forgotten.
   */
  consume(subscription: string, demand: Demand, sink: Sink): Consumption;
  /** One outcome per settlement, in order. A lost lease is an outcome, not an error. */
  settle(batch: readonly Settlement[]): Promise<readonly SettleOutcome[]>;
  /** Opens or closes facts. Latched: who waits later sees them. */
  mark(changes: readonly FactChange[]): Promise<void>;
}

/**
 * Publishes in a transaction that the caller began and will end. Synchronous where the driver is.
 */
export interface Join<Tx> {
  /** Throws `TRANSACTION_REQUIRED` when `tx` is not in a transaction, `ENGINE_MISMATCH` when it is
   * not a connection to this engine. Nothing is visible before the caller commits. */
  publish(tx: Tx, batch: readonly Outgoing[]): readonly PublishOutcome[];
  /** Whether a transaction is open on it. */
  isOpen(tx: Tx): boolean;
}

export type PublishOutcome =
  /** `kept`: its topic has no subscription yet, and the engine knows. */
  | { readonly kind: 'stored'; readonly kept?: true }
  | { readonly kind: 'duplicate'; readonly id: string }
  /** The topics are those of the subscription: nothing of any of them finds room in it. */
  | { readonly kind: 'full'; readonly subscription: string; readonly topics: readonly string[] }
  | { readonly kind: 'refused'; readonly error: MaloteError }
  | { readonly kind: 'indeterminate'; readonly error: MaloteError };

export interface Demand {
  /** Handlers that may run at once: how many suspects may be out together. */
  readonly slots: number;
  /**
   * A message that is begun is not to be begun again: nothing is delivered before a death with it
   * would be counted, whatever that costs.
   * @defaultValue false
   */
  readonly hasOneAttempt?: boolean;
}

export interface Sink {
  /** Deliveries of one lease are neighbours, oldest first. Must not throw. */
  deliver(batch: readonly Delivery[]): void;
  /** Leases that ended without this process settling them: their handlers must stop. */
  lost(leases: readonly Lease[]): void;
}

export interface Consumption {
  /** Allows this many more deliveries. */
  grant(messages: number): void;
  /** No new deliveries from now on; held leases stay valid until settled. */
  stop(): void;
}

export type Settlement = { readonly delivery: Delivery } & (
  | {
      readonly kind: 'ack';
      readonly opens: readonly FactId[];
      readonly publish: readonly Outgoing[];
    }
  | { readonly kind: 'retry'; readonly afterMs: number; readonly failure: Failure }
  | { readonly kind: 'release'; readonly afterMs: number }
  | { readonly kind: 'park'; readonly facts: readonly Need[] }
  | {
      readonly kind: 'dead-letter';
      readonly reason: DeadReason;
      readonly failure: Failure | null;
      /** Attempts that were begun: less than that of the delivery where this one was not. */
      readonly attempts: number;
    }
);

/** `not-parked`: all facts hold already, the message is ready again. `full`: a publish of the ack
 * met a full subscription, or the ack came before its turn in the lane; nothing changed and the
 * lease is still held. */
export type SettleOutcome = 'settled' | 'not-parked' | 'lease-lost' | 'full';

/** `all` needs `capabilities.lookup`. */
export type JournalMode = 'off' | 'exceptions' | 'all';

/** What an engine did without being asked by this process. */
export type EngineEvent =
  /** Something failed that no call was told of. It may pass. */
  | { readonly kind: 'engine-trouble'; readonly code: ErrorCode; readonly message: string }
  | {
      readonly kind: 'waiting';
      readonly facts: readonly Need[];
      readonly subscription: string;
      readonly id: string;
    }
  | {
      readonly kind: 'woken';
      readonly fact: FactId;
      readonly subscription: string;
      readonly id: string;
    }
  /** It came from a program without malote, and its type has no subscription yet. */
  | { readonly kind: 'kept'; readonly id: string; readonly type: string }
  /** It went to the dead letters before anybody could handle it. */
  | {
      readonly kind: 'dead';
      readonly id: string;
      readonly type: string;
      readonly subscription: string;
      readonly attempt: number;
      readonly reason: DeadReason;
      readonly failure: Failure | null;
    }
  | { readonly kind: 'taken-over'; readonly subscription: string; readonly messages: number }
  | { readonly kind: 'partition-taken'; readonly subscription: string; readonly partition: number }
  | { readonly kind: 'partition-let-go'; readonly subscription: string; readonly partition: number }
  | { readonly kind: 'adopted'; readonly subscription: string; readonly messages: number }
  | {
      readonly kind: 'blocked';
      readonly subscription: string;
      readonly key: string;
      readonly id: string;
    }
  | {
      readonly kind: 'diverted';
      readonly subscription: string;
      readonly key: string;
      readonly id: string;
    };
