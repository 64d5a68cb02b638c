/**
 * What a case runs in: one engine, fresh and empty, a clock that only the case moves, a seed, and
 * as many connections as it likes. Connections stand for processes; a case ends them as processes
 * do.
 *
 * Nobody sleeps here. A case waits for deliveries by name and number; while it waits, time moves in
 * small steps, because an engine may look for work by a timer. When nothing comes in a while of
 * both virtual and real time, the wait fails and says what was missing.
 */

import type { Coordination } from '../../transport/coordination.ts';
import type { Capabilities } from '../../transport/capabilities.ts';
import type { Effects } from '../../transport/effects.ts';
import type { Store, SubscriptionView } from '../../transport/store.ts';
import type {
  Delivery,
  Engine,
  EngineEvent,
  FactId,
  Lease,
  PublishOutcome,
  Queue,
  SettleOutcome,
  Settlement,
  SubscriptionSpec,
} from '../../transport/transport.ts';
import type { VirtualClock } from '../virtual-clock.ts';
import type { Draft } from './settlements.ts';
import type { Watch } from './watch.ts';

export interface Harness {
  readonly engine: Engine;
  readonly clock: VirtualClock;
  readonly seed: number;
  readonly random: () => number;
  /** How long an engine keeps the leases of a process that is silent. */
  readonly leaseMs: number;
  readonly watch: Watch;
  /**
   * One more process, or one more connection of the process of another. Where the engine allows it,
   * a process shares nothing but the data with others.
   */
  open(given?: OpenOptions): Promise<Connection>;
  /** Begins a transaction of the caller's own. */
  begin(): CallerTransaction;
  /** A connection, its subscription and a consumer that has been granted nothing yet. */
  start(given?: StartOptions): Promise<Started>;
  /** Lets everything that is under way come to an end, timers within the next second included. */
  quiet(): Promise<void>;
  /**
   * Ends a process, with all its connections, as a crash does; waits until its leases have ended.
   */
  crash(...connections: readonly Connection[]): Promise<void>;
  /** Resolves when `ready` answers true; rejects with `missing` when it does not in a while. */
  until(ready: () => boolean, missing: () => string): Promise<void>;
}

export interface OpenOptions {
  /** Whose process it is a connection of. */
  readonly beside?: Connection;
  /** Its journal keeps all, of done messages for so long. */
  readonly keepDoneMs?: number;
  /** Its journal keeps nothing. */
  readonly journal?: 'off';
  /** Hears of what the engine does by itself in the moment it happens. */
  readonly hear?: (event: EngineEvent, process: string) => void;
}

export type StartOptions = Partial<SubscriptionSpec> &
  Pick<OpenOptions, 'keepDoneMs' | 'journal'> & { readonly slots?: number };

export interface Started {
  readonly connection: Connection;
  readonly consumer: Consumer;
}

/** An engine in a place of its own, with nothing in it. */
export interface EngineUnderTest {
  /**
   * The engine as another process would make it over the same data. An engine that lives in one
   * process answers the same object each time.
   */
  make(): Engine;
  /** Begins a transaction of the caller's own, for an engine in which a publish may join one. */
  begin?(): CallerTransaction;
  /** Removes what it left behind. */
  remove?(): Promise<void> | void;
}

/** A transaction on a connection that the engine did not open. */
export interface CallerTransaction {
  /** What the engine's {@link Join} takes. */
  readonly tx: unknown;
  commit(): void;
  rollback(): void;
  /** Closes the connection, and rolls back what is still open. */
  end(): void;
}

export interface Patience {
  /** How much virtual time a wait lets pass before it gives up. */
  readonly virtualMs: number;
  /** And how much real time at least, for an engine behind a network. */
  readonly realMs: number;
  /** How much real time what is under way needs to come to an end; nothing without a network. */
  readonly quietMs?: number;
}

/** One process as a case sees it. Whatever it does is shown to the {@link Watch}. */
export interface Connection {
  readonly name: string;
  readonly capabilities: Capabilities;
  /** Which process it is a connection of. */
  readonly process: string;
  readonly queue: Queue;
  readonly store: Store;
  /** For an engine that has it; whoever asks another for it fails. */
  readonly coordination: Coordination;
  /** The same. */
  readonly effects: Effects<never>;
  /** What the engine did by itself, as this process heard it. */
  readonly events: readonly EngineEvent[];
  subscribe(...given: readonly Partial<SubscriptionSpec>[]): Promise<void>;
  /** Publishes in one batch and answers what became of each message. */
  offer(...drafts: readonly Draft[]): Promise<readonly PublishOutcome[]>;
  /** Publishes in a transaction of the caller. */
  join(transaction: CallerTransaction, ...drafts: readonly Draft[]): readonly PublishOutcome[];
  /** Publishes in one batch; rejects unless each message is stored. */
  publish(...drafts: readonly Draft[]): Promise<void>;
  consume(subscription?: string, demand?: ConsumerDemand): Consumer;
  settle(...batch: readonly Settlement[]): Promise<readonly SettleOutcome[]>;
  /** Settles in one batch; rejects unless each answer is `settled`. */
  settled(...batch: readonly Settlement[]): Promise<void>;
  fulfil(...facts: readonly FactId[]): Promise<void>;
  revoke(...facts: readonly FactId[]): Promise<void>;
  view(subscription?: string): Promise<SubscriptionView>;
  /** Stops the process in its tracks, as a debugger would: its timers wait, time goes on. */
  freeze(): void;
  thaw(): void;
  isOpen(): boolean;
  close(): Promise<void>;
  abandon(): void;
}

/** A consumption that a case can pull from. */
export interface Consumer {
  /** Everything delivered so far, in the order it came. */
  readonly received: readonly Delivery[];
  /** The leases this process was told it lost. */
  readonly lost: readonly Lease[];
  grant(messages: number): void;
  /** Waits for the next `count` deliveries that nobody has asked for yet. */
  next(count: number): Promise<readonly Delivery[]>;
  /** Grants `count`, then waits for as many. */
  receive(count: number): Promise<readonly Delivery[]>;
  /** Grants `count` and answers what comes of it: of one key, an engine may give fewer at once. */
  upTo(count: number): Promise<readonly Delivery[]>;
  /** The next delivery under a grant of one. */
  one(): Promise<Delivery>;
  /** Rejects when anything is delivered that nobody has asked for, now or within a second. */
  nothing(): Promise<void>;
  /** What has come and nobody has asked for; it counts as asked for from now on. */
  pending(): readonly Delivery[];
  stop(): void;
  /** From now on a delivery is a violation. */
  ended(why: string): void;
}

export interface ConsumerDemand {
  readonly slots?: number;
  /** Hears of deliveries in the moment they arrive. */
  readonly hear?: (batch: readonly Delivery[]) => void;
}
