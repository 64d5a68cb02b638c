/**
 * Facts kept apart from the messages that wait for them: by a store, for a broker, whose owners of
 * partitions hold what waits.
 *
 * Invariants:
 *
 *  1. What `mark` resolves for is as durable as anything the engine stores.
 *  2. When `ask` resolves, the follower was told how each of the facts asked for stood at one
 *     instant after the call, and before that every change made until that instant.
 *  3. Changes are told in the order in which they were made. Where some cannot be told any more,
 *     `missed` is, and what was known is to be asked for anew.
 *  4. A change made by any process is told soon, also where every hint of it is lost.
 */

import type { FactChange, FactId } from './subscription.ts';

export interface Facts {
  mark(changes: readonly FactChange[]): Promise<void>;
  /** Tells of every change from now on. */
  follow(follower: FactFollower): Following;
}

export interface FactFollower {
  /** Changes, or answers: how facts stand now. Must not throw. */
  told(facts: readonly FactChange[]): void;
  missed(): void;
}

export interface Following {
  ask(facts: readonly FactId[]): Promise<void>;
  stop(): void;
}
