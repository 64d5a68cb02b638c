/** Everything that can happen to messages, as one union: what events, logs and tests speak of. */

import type { DeadReason, Failure } from '../message/life.ts';

interface About {
  readonly id: string;
  readonly type: string;
}

interface Handled extends About {
  readonly subscription: string;
  readonly attempt: number;
}

/** What happened. Times are milliseconds; a duration is that of the attempt. */
export type Transition =
  | ({ readonly kind: 'published' } & About)
  | ({ readonly kind: 'duplicate'; readonly of: string } & About)
  | ({ readonly kind: 'refused'; readonly code: string } & About)
  | ({ readonly kind: 'indeterminate' } & About)
  | ({ readonly kind: 'started' } & Handled)
  | ({ readonly kind: 'acked'; readonly durationMs: number } & Handled)
  | ({ readonly kind: 'retried'; readonly afterMs: number; readonly failure: Failure } & Handled)
  | ({ readonly kind: 'released'; readonly why: ReleaseReason } & Handled)
  | ({ readonly kind: 'parked'; readonly facts: readonly string[] } & Handled)
  | ({
      readonly kind: 'dead';
      readonly reason: DeadReason;
      readonly failure: Failure | null;
    } & Handled)
  | ({ readonly kind: 'lease-lost' } & Handled)
  | ({ readonly kind: 'wait-swallowed' } & Handled)
  | ({ readonly kind: 'stuck'; readonly timeoutMs: number } & Handled)
  | {
      readonly kind: 'waiting';
      readonly subscription: string;
      readonly id: string;
      readonly facts: readonly string[];
    }
  | {
      readonly kind: 'woken';
      readonly subscription: string;
      readonly id: string;
      readonly fact: string;
    }
  | { readonly kind: 'taken-over'; readonly subscription: string; readonly messages: number }
  | { readonly kind: 'adopted'; readonly subscription: string; readonly messages: number }
  | {
      readonly kind: 'blocked';
      readonly subscription: string;
      readonly id: string;
      readonly key: string;
    }
  | {
      readonly kind: 'diverted';
      readonly subscription: string;
      readonly id: string;
      readonly key: string;
    }
  | { readonly kind: 'redriven'; readonly subscription: string | null; readonly messages: number }
  | { readonly kind: 'cancelled'; readonly id: string }
  | {
      readonly kind: 'relayed';
      /** The first of them, at most 100. */
      readonly ids: readonly string[];
      readonly messages: number;
      /** How long ago the oldest of them was accepted. */
      readonly lagMs: number;
    }
  | { readonly kind: 'fulfilled'; readonly facts: readonly string[] }
  | { readonly kind: 'revoked'; readonly facts: readonly string[] }
  | { readonly kind: 'paused'; readonly subscription: string }
  | { readonly kind: 'resumed'; readonly subscription: string }
  | { readonly kind: 'started-bus' }
  | { readonly kind: 'stopped-bus' }
  | { readonly kind: 'engine-trouble'; readonly code: string; readonly message: string }
  | { readonly kind: 'engine-failed'; readonly code: string; readonly message: string };

/** Why a delivery went back with its attempt unspent. */
export type ReleaseReason = 'asked' | 'stopping' | 'newer-version' | 'unknown-type';
