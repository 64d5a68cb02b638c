/** Waits for what a bus tells of itself, by the name of the bus. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { type TransitionEvent, transitionChannel } from 'malote';
import { onTestFinished } from 'vitest';

export interface Transitions {
  readonly all: readonly TransitionEvent[];
  /** Resolves once this holds of everything told so far. */
  until(holds: (all: readonly TransitionEvent[]) => boolean): Promise<void>;
  /** Resolves once that many of a kind were told. */
  count(kind: TransitionEvent['kind'], times: number): Promise<readonly TransitionEvent[]>;
}

/** Listens until the test is finished. */
export function listenTo(...buses: readonly string[]): Transitions {
  const all: TransitionEvent[] = [];
  let waiting: { holds(all: readonly TransitionEvent[]): boolean; resolve(): void }[] = [];
  const listen = (message: unknown): void => {
    const event = message as TransitionEvent;
    if (!buses.includes(event.bus)) return;
    all.push(event);
    const met = waiting.filter(({ holds }) => holds(all));
    waiting = waiting.filter((one) => !met.includes(one));
    for (const { resolve } of met) resolve();
  };
  subscribe(transitionChannel, listen);
  onTestFinished(() => void unsubscribe(transitionChannel, listen));
  const until: Transitions['until'] = (holds) =>
    new Promise((resolve) => {
      if (holds(all)) resolve();
      else waiting.push({ holds, resolve });
    });
  const of = (kind: string): TransitionEvent[] => all.filter((event) => event.kind === kind);
  return {
    all,
    until,
    async count(kind, times) {
      await until(() => of(kind).length >= times);
      return of(kind);
    },
  };
}
