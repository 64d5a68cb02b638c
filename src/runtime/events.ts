/**
 * The one stream of everything that happens to messages: a `diagnostics_channel` named
 * `malote:transition`. Logs, metrics, traces, tests and dashboards read it and nothing else.
 *
 * An event never carries a body. The ordinary ones (`published`, `started`, `acked`, …) are only
 * built while somebody listens; the exceptional ones are logged as well.
 */

import { channel } from 'node:diagnostics_channel';
import type { Clock } from '../clock.ts';
import type { Logger } from './log.ts';
import type { Transition } from './transition.ts';

/** Where to listen: `diagnostics_channel.subscribe(transitionChannel, (event) => …)`. */
export const transitionChannel = 'malote:transition';

/** What the channel carries: the transition, when, and on which bus. */
export type TransitionEvent = Transition & { readonly at: number; readonly bus: string };

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
