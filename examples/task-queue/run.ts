/**
 * Follows the tasks of this run by malote's own events, prints what befalls them, and knows when
 * each of them is done or dead.
 */
import { subscribe } from 'node:diagnostics_channel';
import { type TransitionEvent, transitionChannel } from 'malote';

export interface Run {
  /** Resolves once this many tasks have ended. */
  ended(tasks: number): Promise<void>;
  readonly done: number;
  readonly dead: number;
}

/** @param run - what the ids of its tasks begin with; others are left from an earlier run */
export function followRun(run: string): Run {
  let done = 0;
  let dead = 0;
  let check = (): void => {};

  subscribe(transitionChannel, (message) => {
    const event = message as TransitionEvent;
    if (!('attempt' in event) || !event.id.startsWith(`${run}-`)) return;
    const line = sentenceOf(event);
    if (line !== null) console.log(`task ${event.id.slice(run.length + 1)}: ${line}`);
    if (event.kind === 'acked') done += 1;
    if (event.kind === 'dead') dead += 1;
    check();
  });

  return {
    ended: (tasks) =>
      new Promise((resolve) => {
        check = () => {
          if (done + dead >= tasks) resolve();
        };
        check();
      }),
    get done() {
      return done;
    },
    get dead() {
      return dead;
    },
  };
}

function sentenceOf(event: TransitionEvent & { readonly attempt: number }): string | null {
  switch (event.kind) {
    case 'acked':
      return `done at attempt ${event.attempt}, in ${Math.round(event.durationMs)} ms`;
    case 'retried':
      return (
        `attempt ${event.attempt} failed, ${event.failure.message}; ` +
        `again in ${Math.round(event.afterMs)} ms`
      );
    case 'dead':
      return `attempt ${event.attempt} was the last, ${event.failure?.message ?? event.reason}`;
    default:
      return null;
  }
}
