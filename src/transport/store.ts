/**
 * Looking at what an engine holds and acting on it, one small step at a time.
 *
 * Pages go by cursor and never count; the figures of {@link SubscriptionStats} are counters that
 * every transition keeps, so that looking costs the same at any depth.
 */

import type { DeadReason, Failure } from '../message/life.ts';
import type { DeadFilter } from './dead-filter.ts';
import type { FactId, Need, SubscriptionSpec } from './subscription.ts';

export interface Store {
  /** What the engine knows of a message: one view per subscription, newest history last. */
  get(id: string): Promise<readonly MessageView[]>;
  /**
   * Removes what is not leased at the moment, of one subscription or of all. A cancelled message is
   * never delivered again.
   */
  cancel(id: string, subscription?: string): Promise<CancelOutcome>;
  dead(query: DeadQuery): Promise<Page<DeadLetter>>;
  /**
   * Sends dead letters back with their attempts reset, in their order; a blocked or diverted key
   * goes back whole and opens again. Idempotent: an id that is not dead counts for nothing.
   */
  redrive(which: RedriveQuery): Promise<number>;
  waiting(query: WaitingQuery): Promise<Page<WaitingMessage>>;
  subscriptions(): Promise<readonly SubscriptionView[]>;
  /** A paused subscription keeps accepting and delivers nothing, in every process. */
  setPaused(subscription: string, paused: boolean): Promise<boolean>;
}

export type MessageState =
  | 'scheduled'
  | 'ready'
  | 'leased'
  | 'retrying'
  | 'waiting'
  | 'done'
  | 'dead'
  | 'cancelled'
  | 'expired';

export interface MessageView {
  readonly id: string;
  /** Its type. */
  readonly topic: string;
  /**
   * Null while no subscription exists and the topic keeps the message; `malote.outbox`, which is
   * then its `topic` too, while it waits for the relay, or is dead because the engine refused it.
   */
  readonly subscription: string | null;
  readonly state: MessageState;
  /**
   * What `orderBy` answered; null where there is no order, and of a message that is done, unless
   * the journal kept `all` of it.
   */
  readonly key: string | null;
  /**
   * Attempts spent so far. Null of a message that is done or cancelled where the engine knows no
   * more than that, as SQLite does, unless the journal keeps `all`.
   */
  readonly attempts: number | null;
  /** When it was published. */
  readonly acceptedAt: number;
  /** When a scheduled or retrying message becomes ready. */
  readonly readyAt: number | null;
  /** The facts that a waiting message still lacks; of those that any will do for: `a:1 or b:2`. */
  readonly waitingFor: readonly Need[];
  /** Why it is dead. */
  readonly reason: DeadReason | null;
  /**
   * With the journal on: what happened to it beyond the ordinary, with `all` everything since it
   * was accepted; oldest first, the latest 100. Of a message that is done or cancelled SQLite has
   * it with `all` alone.
   */
  readonly history: readonly JournalEntry[];
}

export interface JournalEntry {
  readonly at: number;
  /**
   * With the journal on `all` also `delivered`: it went out to a process, told once that attempt is
   * settled; `acked` and `cancelled`.
   */
  readonly event:
    | 'delivered'
    | 'retried'
    | 'released'
    | 'parked'
    | 'woken'
    | 'crashed'
    | 'died'
    | 'redriven'
    | 'acked'
    | 'cancelled';
  readonly attempt: number;
  /** Such as the failure of the attempt, with its first frames, at most 1,000 characters. */
  readonly detail: string | null;
}

export type CancelOutcome = 'cancelled' | 'leased' | 'not-found';

export interface Page<Item> {
  readonly items: readonly Item[];
  /** Pass it as `cursor` for the next page; null at the end. */
  readonly next: string | null;
}

export interface PageQuery {
  readonly cursor: string | null;
  /** 1 to 500. */
  readonly limit: number;
}

export interface DeadQuery extends PageQuery {
  readonly subscription: string | null;
  readonly id: string | null;
}

export interface DeadLetter {
  readonly id: string;
  /** Its type. */
  readonly topic: string;
  readonly subscription: string;
  readonly key: string | null;
  readonly reason: DeadReason;
  /** Attempts spent, the last one included; 0 where its handler was never called. */
  readonly attempts: number;
  /** When it was published. */
  readonly acceptedAt: number;
  readonly diedAt: number;
  /** What its first failed attempt threw, since it was last sent back. */
  readonly firstFailure: Failure | null;
  /** Null where nothing failed, as of a message that followed its key (`diverted`). */
  readonly lastFailure: Failure | null;
  /** As it is stored: what malote published is JSON text. */
  readonly body: string | Uint8Array;
  /** Attributes beside the body, as JSON text; those given to publish are its `user`. */
  readonly headers: string | null;
}

export type RedriveQuery =
  | { readonly ids: readonly string[]; readonly subscription: string | null }
  | {
      readonly all: true;
      readonly subscription: string;
      /** Those that match. Default: all of them. */
      readonly only?: DeadFilter;
      /**
       * Stops when as many are back, in the order of {@link Store.dead}; a key that is held shut
       * goes back whole, though it makes them more. Default: no limit.
       */
      readonly limit?: number;
    };

export interface WaitingQuery extends PageQuery {
  readonly subscription: string | null;
  readonly fact: FactId | null;
}

export interface WaitingMessage {
  readonly id: string;
  /** Its type. */
  readonly topic: string;
  readonly subscription: string;
  readonly key: string | null;
  /** The facts that it still lacks; of those that any will do for: `a:1 or b:2`. */
  readonly waitingFor: readonly Need[];
  /** When it was published. */
  readonly acceptedAt: number;
  /** When it is dead, should they not come. */
  readonly deadlineAt: number;
}

export interface SubscriptionView extends SubscriptionSpec {
  readonly paused: boolean;
  /** Figures of this moment. */
  readonly stats: SubscriptionStats;
  /** Keys that stand still behind a dead head (`onDead: 'block'`), at most 100. */
  readonly blockedKeys: readonly string[];
  /** Living processes that consume it. One that was killed may count for as long as a lease. */
  readonly consumers: number;
  /** Who has which keys; null where keys belong to no process for long (SQLite, memory). */
  readonly partitions: readonly PartitionView[] | null;
}

/** A part of the keys of a subscription, whose messages go to one process at a time. */
export interface PartitionView {
  /** From 0. */
  readonly index: number;
  /**
   * The process that has it: its host, its process id and what tells it from others of the same,
   * as `host/pid/id`; null while nobody has it.
   */
  readonly owner: string | null;
}

/** Messages by state. `ready` includes those behind the head of their lane. */
export interface SubscriptionStats {
  /**
   * When the first of those that are neither scheduled, done, dead nor cancelled was accepted; null
   * where there is none, and where the engine cannot tell (RabbitMQ).
   */
  readonly oldestAt: number | null;
  /** All that are neither done, dead nor cancelled: what `maxDepth` limits. */
  readonly depth: number;
  readonly scheduled: number;
  readonly ready: number;
  readonly leased: number;
  readonly retrying: number;
  readonly waiting: number;
  readonly dead: number;
  /**
   * In all, since the subscription exists; on RabbitMQ by the processes that live, since they
   * began: 0 where none is left.
   */
  readonly done: number;
  /** In all, since the subscription exists; none on RabbitMQ, which cancels nothing. */
  readonly cancelled: number;
}
