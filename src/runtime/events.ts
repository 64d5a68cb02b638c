/**
 * The one stream of everything that happens to messages: a `diagnostics_channel` named
 * `malote:transition`. Logs, metrics, traces, tests and dashboards read it and nothing else.
 *
 * An event never carries a body. The ordinary ones (`published`, `started`, `acked`, …) are only
 * built while somebody listens; the exceptional ones are logged as well.
 */

import { channel } from 'node:diagnostics_channel';
import type { Clock } from '../clock.ts';
import { shownNeeds } from '../message/need.ts';
import type { EngineEvent } from '../transport/transport.ts';
import type { Logger } from './log.ts';
import type { Transition } from './transition.ts';

/** Where to listen: `diagnostics_channel.subscribe(transitionChannel, (event) => …)`. */
export const transitionChannel = 'malote:transition';

/** What the channel carries: the transition, when, and on which bus. */
export type TransitionEvent = Transition & { readonly at: number; readonly bus: string };

/** One that tells of many messages names no more of them. */
export const mostNamed = 100;

/** Strangers may make up as many types as they like. */
const mostKeptTypes = 1_000;

export interface Events {
  /** Whether anybody listens to the ordinary events: ask before building one. */
  readonly heard: boolean;
  emit(transition: Transition): void;
  /** What an engine did by itself. */
  notify(event: EngineEvent): void;
  /** Once per type: nobody else would ever learn of one that nobody consumes. */
  kept(id: string, type: string): void;
}

export function createEvents(options: { bus: string; clock: Clock; logger: Logger }): Events {
  const { bus, clock, logger } = options;
  const stream = channel(transitionChannel);
  const keptTypes = new Set<string>();

  function emit(transition: Transition): void {
    if (stream.hasSubscribers) stream.publish({ ...transition, at: clock.now(), bus });
    logger.write(transition);
  }

  function kept(id: string, type: string): void {
    if (keptTypes.has(type) || keptTypes.size >= mostKeptTypes) return;
    keptTypes.add(type);
    emit({ kind: 'kept', id, type });
  }

  return {
    get heard() {
      return stream.hasSubscribers || logger.debugs;
    },
    emit,
    notify(event) {
      if (event.kind === 'kept') kept(event.id, event.type);
      else if (event.kind !== 'waiting') emit(event);
      else emit({ ...event, facts: shownNeeds(event.facts) });
    },
    kept,
  };
}
