/**
 * Looking at what an engine holds and acting on it, one small step at a time.
 *
 * Pages go by cursor and never count; the figures of {@link SubscriptionStats} are counters that
 * every transition keeps, so that looking costs the same at any depth.
 */

import type { DeadReason, Failure } from '../message/life.ts';
import type { FactId, SubscriptionSpec } from './subscription.ts';

export interface Store {
  /** What the engine knows of a message: one view per subscription, newest history last. */
  get(id: string): Promise<readonly MessageView[]>;
  /** Removes what is not leased at the moment. A cancelled message is never delivered again. */
  cancel(id: string): Promise<CancelOutcome>;
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
  readonly topic: string;
  /** Null while no subscription exists and the topic keeps the message. */
  readonly subscription: string | null;
  readonly state: MessageState;
  readonly key: string | null;
  /** Attempts spent so far. */
  readonly attempts: number;
  readonly acceptedAt: number;
  /** When a scheduled or retrying message becomes ready. */
  readonly readyAt: number | null;
  /** The facts that a waiting message still lacks. */
  readonly waitingFor: readonly FactId[];
  readonly reason: DeadReason | null;
  /** With the journal on: what happened to it beyond the ordinary, oldest first, at most 100. */
  readonly history: readonly JournalEntry[];
}

export interface JournalEntry {
  readonly at: number;
  readonly event: 'retried' | 'released' | 'parked' | 'woken' | 'crashed' | 'died' | 'redriven';
  readonly attempt: number;
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
  readonly topic: string;
  readonly subscription: string;
  readonly key: string | null;
  readonly reason: DeadReason;
  readonly attempts: number;
  readonly acceptedAt: number;
  readonly diedAt: number;
  readonly firstFailure: Failure | null;
  readonly lastFailure: Failure | null;
  readonly body: string | Uint8Array;
  readonly headers: string | null;
}

export type RedriveQuery =
  | { readonly ids: readonly string[]; readonly subscription: string | null }
  | { readonly all: true; readonly subscription: string };

export interface WaitingQuery extends PageQuery {
  readonly subscription: string | null;
  readonly fact: FactId | null;
}

export interface WaitingMessage {
  readonly id: string;
  readonly topic: string;
  readonly subscription: string;
  readonly key: string | null;
  readonly waitingFor: readonly FactId[];
  readonly acceptedAt: number;
  readonly deadlineAt: number;
}

export interface SubscriptionView extends SubscriptionSpec {
  readonly paused: boolean;
  readonly stats: SubscriptionStats;
  /** Keys that stand still behind a dead head (`onDead: 'block'`), at most 100. */
  readonly blockedKeys: readonly string[];
}

/** Messages by state. `ready` includes those behind the head of their lane. */
export interface SubscriptionStats {
  readonly depth: number;
  readonly scheduled: number;
  readonly ready: number;
  readonly leased: number;
  readonly retrying: number;
  readonly waiting: number;
  readonly dead: number;
  readonly done: number;
  readonly cancelled: number;
}
