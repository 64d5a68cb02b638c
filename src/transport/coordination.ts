/**
 * The contract for what processes agree on besides messages: who holds a slot, and what was last
 * made under it. `bus.lock` is a slot that is only held; `bus.cache` is one that is held while a
 * value is loaded, and then keeps it.
 *
 *     free ─acquire─▶ held ─put─▶ free, with an entry: fresh ─freshMs─▶ stale ─keptMs─▶ none
 *      ▲               │
 *      └── release, invalidate, lease over, holder closed
 *
 * An engine decides nothing: what is loaded, for how long it is good, how long anybody waits and
 * what is thrown live in `cache/` and `lock/` and are the same on every engine.
 *
 * Invariants, each one a case of the conformance suite:
 *
 *  1. At any instant at most one hold of a slot is valid. Slots have nothing to do with each other.
 *  2. The token of a hold is greater than that of every earlier hold of its slot, whatever became
 *     of those: releases, deaths, removals.
 *  3. Under a hold that has ended, for whatever reason, `extend`, `put` and `release` change
 *     nothing and answer false.
 *  4. A hold ends when its lease is over by the engine's clock, and not before; `extend` counts a
 *     new lease from then on. A process that closes gives back what it holds.
 *  5. Who waits for a slot is answered when it can be: at once where the engine hears of it, within
 *     a second where the news is lost. Of several who wait each gets its turn.
 *  6. A wait that is over or given up holds nothing and takes no turn.
 *  7. A `put` shows its result to everybody, and ends its hold, in one step.
 *  8. An entry is fresh for `freshMs`, stale until `keptMs`, and is never handed out after that.
 *  9. Whoever waited while something was loaded gets what came of it: the entry, or the failure,
 *     even one that is remembered for no time at all.
 * 10. A failure leaves the entry as it was, and is remembered for its time.
 * 11. `invalidate` removes the entry and ends the hold: what was being loaded then is not put.
 * 12. A space keeps at most `mostEntries` entries; those whose time ends first go first. What is
 *     over is removed without being asked for.
 */

import type { Failure } from '../message/life.ts';

export interface Coordination {
  /** What a slot has to say at the moment; takes nothing and waits for nothing. */
  read(slot: Slot): Promise<Reading>;
  /**
   * Takes the slot, once it is free, unless there is an answer in it: a fresh entry, a remembered
   * failure, or what came of the load that was waited for. Rejects with `signal.reason`.
   */
  acquire(request: Request): Promise<Acquisition>;
  /** A new lease from now on; answers whether the hold was still valid. */
  extend(hold: Hold, leaseMs: number): Promise<boolean>;
  /** Frees the slot and leaves everything else in it; answers whether the hold was still valid. */
  release(hold: Hold): Promise<boolean>;
  /** Keeps what came of a load and frees the slot; answers whether the hold was still valid. */
  put(hold: Hold, result: Result): Promise<boolean>;
  /** Forgets the entry and the failure, and ends the hold of whoever loads. */
  invalidate(slot: Slot): Promise<void>;
}

export interface Slot {
  /** What counts and bounds its entries together: one cache, or all locks. */
  readonly space: string;
  readonly key: string;
}

export interface Reading {
  readonly entry: Entry | null;
  /** How the last load failed, as long as that is remembered. */
  readonly failure: Failure | null;
}

export interface Entry {
  /** JSON text; null: the load found that there is none. */
  readonly value: string | null;
  readonly isFresh: boolean;
}

export interface Request {
  readonly slot: Slot;
  /** How long the hold lasts without being extended. */
  readonly leaseMs: number;
  /** How long to wait for a slot that another holds; 0: not at all. */
  readonly waitMs: number;
  readonly signal: AbortSignal | null;
}

export type Acquisition =
  | { readonly kind: 'held'; readonly hold: Hold }
  | { readonly kind: 'found'; readonly reading: Reading }
  | { readonly kind: 'timed-out' };

export interface Hold {
  readonly slot: Slot;
  /** Grows with every hold of the slot: a fencing token for the user's writes. */
  readonly token: number;
  /**
   * Until when this process may rely on it, by its monotonic clock; reckoned from before the
   * engine was asked, so never later than the engine's own end of it.
   */
  readonly validUntil: number;
}

export type Result =
  | {
      readonly kind: 'entry';
      readonly value: string | null;
      readonly freshMs: number;
      /** From now on, at least `freshMs`. */
      readonly keptMs: number;
      /** How many entries the space may have with this one. */
      readonly mostEntries: number;
    }
  | {
      readonly kind: 'failure';
      readonly failure: Failure;
      /** 0: only who waited for it hears of it. */
      readonly rememberedMs: number;
      readonly mostEntries: number;
    };

/** How long what is over is still kept for those who waited for it and have not looked yet. */
export const lingerMs = 10_000;
