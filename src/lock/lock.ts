/** What a user holds of a lock, in types. */

import type { Duration } from '../message/duration.ts';

export interface LockOptions {
  /**
   * How long a holder that no longer answers keeps the lock; extended every third of it while it
   * is held. At least 100 ms. @defaultValue '30s'
   */
  readonly ttl?: Duration;
  /** How long to wait while another holds it; 0: not at all. @defaultValue '10s' */
  readonly wait?: Duration;
  /** Gives the waiting up. */
  readonly signal?: AbortSignal;
}

/** A lock that is held. Give it back with `await using` or `release()`. */
export interface HeldLock extends AsyncDisposable {
  readonly name: string;
  /**
   * Greater with every holder: pass it with each write, and let the written refuse a smaller one
   * than the last. No lease alone keeps a holder that stood still from writing.
   */
  readonly token: number;
  /** Aborted with `LOCK_LOST` when another may hold it, with `BUS_STOPPED` when the bus stops. */
  readonly signal: AbortSignal;
  /** Answers whether it was still held. Repeating is safe. */
  release(): Promise<boolean>;
}

export type LockEvent =
  /** This process holds it. */
  | { readonly kind: 'lock-taken'; readonly lock: string; readonly token: number }
  /** It was given back. */
  | { readonly kind: 'lock-released'; readonly lock: string; readonly token: number }
  /** Another may hold it by now. */
  | { readonly kind: 'lock-lost'; readonly lock: string; readonly token: number };
