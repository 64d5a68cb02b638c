/** Everything that can happen to messages, as one union: what events, logs and tests speak of. */

import type { CacheEvent } from '../cache/cache.ts';
import type { LockEvent } from '../lock/lock.ts';
import type { DeadReason, Failure } from '../message/life.ts';

interface About {
  readonly id: string;
  /** Its topic. */
  readonly type: string;
}

interface Handled extends About {
  readonly subscription: string;
  /** 1 for the first. Of a `dead` one the last that was begun, 0 where none was. */
  readonly attempt: number;
}

interface Ended extends Handled {
  /** Of the attempt. Begun in one turn with others, it may count their beginnings as well. */
  readonly durationMs: number;
}

/** What happened. Times are milliseconds; a duration is that of the attempt. */
export type Transition =
  /** The engine has stored it. */
  | ({ readonly kind: 'published' } & About)
  /** It has no subscription yet: told of the first of its type in this process. */
  | ({ readonly kind: 'kept' } & About)
  /** Its id or dedupe key was published before; `of` is the id of that message. */
  | ({ readonly kind: 'duplicate'; readonly of: string } & About)
  /** It was certainly not stored. */
  | ({ readonly kind: 'refused'; readonly code: string } & About)
  /** Stored or not, nobody knows. */
  | ({ readonly kind: 'indeterminate' } & About)
  /** A publish without `tx` while a transaction was open that it may belong to; once per type. */
  | { readonly kind: 'transaction-forgotten'; readonly type: string }
  /** An attempt begins: its handler is called. */
  | ({ readonly kind: 'started' } & Handled)
  /** Its handler is done. */
  | ({ readonly kind: 'acked' } & Ended)
  /** An attempt failed; the next one comes `afterMs` later. */
  | ({ readonly kind: 'retried'; readonly afterMs: number; readonly failure: Failure } & Ended)
  /** It went back with its attempt unspent; where its handler asked for that, at level debug. */
  | ({ readonly kind: 'released'; readonly why: ReleaseReason } & Handled)
  /** Its handler asked to wait for these facts. */
  | ({ readonly kind: 'parked'; readonly facts: readonly string[] } & Ended)
  /** It went to the dead letters. */
  | ({
      readonly kind: 'dead';
      readonly reason: DeadReason;
      readonly failure: Failure | null;
      /** Of the attempt; not there where the engine or the relay found it dead. */
      readonly durationMs?: number;
    } & Handled)
  /** It is given out again, here or elsewhere: what this attempt still does is not settled. */
  | ({ readonly kind: 'lease-lost' } & Handled)
  /** It was processed before, as its inbox knows. */
  | ({ readonly kind: 'skipped' } & Handled)
  /** Its handler failed after `ctx.transaction` had stored that the message is done. */
  | ({ readonly kind: 'failed-after-commit'; readonly failure: Failure } & Handled)
  /** Its handler caught what `ctx` threw to leave it; it was left all the same. */
  | ({ readonly kind: 'wait-swallowed' } & Handled)
  /** Its handler outlived its time-out and ignores its signal; its slot was given up. */
  | ({ readonly kind: 'stuck'; readonly timeoutMs: number } & Handled)
  /** A message waits for these facts. */
  | {
      readonly kind: 'waiting';
      readonly subscription: string;
      readonly id: string;
      readonly facts: readonly string[];
    }
  /** The last fact that a message waited for holds. */
  | {
      readonly kind: 'woken';
      readonly subscription: string;
      readonly id: string;
      readonly fact: string;
    }
  /** Messages of a process that died, or did not answer for its lease. */
  | { readonly kind: 'taken-over'; readonly subscription: string; readonly messages: number }
  /** The messages of this partition's keys come to this process from now on. */
  | { readonly kind: 'partition-taken'; readonly subscription: string; readonly partition: number }
  /** Another process may take the partition: to share them evenly, at a stop, or at a loss. */
  | { readonly kind: 'partition-let-go'; readonly subscription: string; readonly partition: number }
  /** Messages that were kept until this subscription came. */
  | { readonly kind: 'adopted'; readonly subscription: string; readonly messages: number }
  /** A key stands still behind this dead message. */
  | {
      readonly kind: 'blocked';
      readonly subscription: string;
      readonly id: string;
      readonly key: string;
    }
  /** A message followed its key into the dead letters. */
  | {
      readonly kind: 'diverted';
      readonly subscription: string;
      readonly id: string;
      readonly key: string;
    }
  /** Dead letters went back; `subscription` is null where they were given by id. */
  | {
      readonly kind: 'redriven';
      readonly subscription: string | null;
      /** Those that were asked for by id, at most 100; empty for those of a subscription. */
      readonly ids: readonly string[];
      readonly messages: number;
    }
  /** A message was taken out by hand. */
  | { readonly kind: 'cancelled'; readonly id: string }
  /** Messages of the outbox are with the engine. */
  | {
      readonly kind: 'relayed';
      /** The first of them, at most 100. */
      readonly ids: readonly string[];
      readonly messages: number;
      /** How long ago the oldest of them was accepted. */
      readonly lagMs: number;
    }
  /** The probe of a dependency failed, or took too long; it is asked again. */
  | { readonly kind: 'probe-failed'; readonly dependency: string; readonly failure: Failure }
  /** `bus.fulfil`, or a probe, opened facts. */
  | { readonly kind: 'fulfilled'; readonly facts: readonly string[] }
  /** `bus.revoke` closed facts. */
  | { readonly kind: 'revoked'; readonly facts: readonly string[] }
  /** Delivers nothing until it is resumed, in every process. */
  | { readonly kind: 'paused'; readonly subscription: string }
  /** Delivers again. */
  | { readonly kind: 'resumed'; readonly subscription: string }
  | CacheEvent
  | LockEvent
  /** `bus.start()` is done. */
  | { readonly kind: 'started-bus' }
  /** `bus.stop()` is done. */
  | { readonly kind: 'stopped-bus' }
  /** The engine failed; malote tries again. */
  | { readonly kind: 'engine-trouble'; readonly code: string; readonly message: string }
  /** The engine failed for good: this bus is over. */
  | { readonly kind: 'engine-failed'; readonly code: string; readonly message: string };

/** Why a delivery went back with its attempt unspent. */
export type ReleaseReason =
  | 'asked'
  | 'stopping'
  | 'newer-version'
  | 'unknown-type'
  | 'inbox-unreachable';
