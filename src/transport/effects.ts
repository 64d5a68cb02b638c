/**
 * Functions of the caller inside the engine's own write transactions: many of them in one commit,
 * each under a savepoint of its own, and receipts that make the effect of a message happen once.
 *
 * Invariants, each one a case of the conformance suite:
 *
 *  1. What `work` writes, its receipt, what it publishes and the ack of its delivery are stored in
 *     one step or not at all; nothing of another effect's failure touches them.
 *  2. Of effects with the same receipt one is stored, in whichever process.
 *  3. A delivery whose lease is lost has no effect. Where the lease is another engine's, a
 *     delivery has none once a later one of the same message was announced by
 *     {@link Effects.recall}.
 */

import type { Delivery, Outgoing } from './delivery.ts';
import type { FactId } from './subscription.ts';

export interface Effects<Tx> {
  /**
   * What the receipt of each message carries; null where there is none. Fences off the deliveries
   * that came before one that is announced with `repeated`.
   */
  recall(arrivals: readonly Arrival[]): Promise<readonly (Recollection | null)[]>;
  /**
   * Runs `work` once the engine can write. Rejects when the whole transaction failed: then nothing
   * of it is stored, unless the error is `ENGINE_FAILED`, which may leave that open.
   */
  run(effect: Effect<Tx>): Promise<EffectOutcome>;
}

/** The message of one subscription: ids that callers chose are scoped to their topic. */
export interface ReceiptId {
  readonly subscription: string;
  readonly topic: string;
  readonly id: string;
}

export interface Arrival extends ReceiptId {
  /** Of its lease. */
  readonly token: number;
  /** Whether an earlier delivery of it may still run, in a process that was frozen. */
  readonly repeated: boolean;
  readonly keepMs: number;
}

export interface Recollection {
  /** What the effect opened, or should have. */
  readonly opens: readonly FactId[];
}

export interface Effect<Tx> {
  /** Null: nothing is remembered, the effect happens each time. */
  readonly receipt: Arrival | null;
  /** Acked in the same step, where this engine delivered it; else null. */
  readonly delivery: Delivery | null;
  /** Synchronous. What it throws undoes what it wrote, and nothing else. */
  work(tx: Tx): Work;
}

export interface Work {
  readonly publish: readonly Outgoing[];
  /** Opened in the same step, or kept by the receipt where the delivery is another engine's. */
  readonly opens: readonly FactId[];
}

export type EffectOutcome =
  | { readonly kind: 'done' }
  /** Its receipt is there: nothing was run. */
  | { readonly kind: 'known'; readonly opens: readonly FactId[] }
  /** The lease is lost, or a later delivery was announced: nothing was run. */
  | { readonly kind: 'fenced' }
  /** A subscription it publishes to is full. */
  | { readonly kind: 'full' }
  | { readonly kind: 'failed'; readonly error: unknown };
