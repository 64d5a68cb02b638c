/**
 * The one stream of everything that happens to messages: a `diagnostics_channel` named
 * `malote:transition`. Logs, metrics, traces, tests and dashboards read it and nothing else.
 *
 * An event never carries a body. The ordinary ones (`published`, `started`, `acked`, …) are only
 * built while somebody listens; the exceptional ones are logged as well.
 */

import { channel } from 'node:diagnostics_channel';
import type { Clock } from '../clock.ts';
import type { DeadReason, Failure } from '../message/life.ts';
import type { Logger } from './log.ts';

/** Where to listen: `diagnostics_channel.subscribe(transitionChannel, (event) => …)`. */
export const transitionChannel = 'malote:transition';

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
  | { readonly kind: 'fulfilled'; readonly facts: readonly string[] }
  | { readonly kind: 'revoked'; readonly facts: readonly string[] }
  | { readonly kind: 'paused'; readonly subscription: string }
  | { readonly kind: 'resumed'; readonly subscription: string }
  | { readonly kind: 'started-bus' }
  | { readonly kind: 'stopped-bus' }
  | { readonly kind: 'engine-trouble'; readonly code: string; readonly message: string };

/** What the channel carries: the transition, when, and on which bus. */
export type TransitionEvent = Transition & { readonly at: number; readonly bus: string };

/** Why a delivery went back with its attempt unspent. */
export type ReleaseReason = 'asked' | 'stopping' | 'newer-version' | 'unknown-type';

export interface Events {
  /** Whether anybody listens to the ordinary events: ask before building one. */
  readonly heard: boolean;
  emit(transition: Transition): void;
}

export function createEvents(options: { bus: string; clock: Clock; logger: Logger }): Events {
  const { bus, clock, logger } = options;
  const stream = channel(transitionChannel);
  return {
    get heard() {
      return stream.hasSubscribers || logger.debugs;
    },
    emit(transition) {
      if (stream.hasSubscribers) stream.publish({ ...transition, at: clock.now(), bus });
      logger.write(transition);
    },
  };
}
