/**
 * What the tests of caches and locks share: buses that stand for processes of one engine in memory,
 * on a clock that the test moves, and loads that end when the test says so.
 */
import { type Bus, type Engine, type TransitionEvent, transitionChannel } from 'malote';
import { memory } from 'malote/memory';
import {
  seededRandom,
  sequentialIds,
  settleTurns,
  virtualClock,
  type VirtualClock,
} from 'malote/testing';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { assembleBus } from '../../src/runtime/create-bus.ts';

export interface Processes {
  readonly clock: VirtualClock;
  /** One more process. */
  start(): Bus & { abandon(): void };
  /** Kinds of what happened so far, in order. */
  kinds(): readonly string[];
  end(): Promise<void>;
}

let worlds = 0;

export interface ProcessesOptions {
  readonly random?: () => number;
  /** What they share. Default: memory. */
  readonly engine?: Engine<unknown>;
}

export function processes(options: ProcessesOptions = {}): Processes {
  const clock = virtualClock();
  const engine = (options.engine ?? memory()) as Engine;
  const name = `shared-${++worlds}`;
  const buses: Bus[] = [];
  const events: TransitionEvent[] = [];
  const hear = (event: unknown): void => {
    const told = event as TransitionEvent;
    if (told.bus === name) events.push(told);
  };
  subscribe(transitionChannel, hear);
  return {
    clock,
    start() {
      const { bus, abandon } = assembleBus<never>(
        { engine, name, handleSignals: false, logger: false },
        {
          clock,
          random: options.random ?? seededRandom(1),
          newId: sequentialIds('m'),
          process: `process ${buses.length}`,
        },
      );
      buses.push(bus);
      return { ...bus, abandon };
    },
    kinds: () => events.map(({ kind }) => kind),
    async end() {
      for (const bus of buses) await bus.stop();
      unsubscribe(transitionChannel, hear);
    },
  };
}

export interface Loads<Value> {
  /** How often the loader was called. */
  readonly count: number;
  readonly signals: readonly AbortSignal[];
  readonly tokens: readonly number[];
  load(key: string, context: { signal: AbortSignal; token: number }): Promise<Value>;
  /** Ends the oldest load that is under way. */
  succeed(value: Value): Promise<void>;
  fail(error: unknown): Promise<void>;
}

export function loads<Value>(): Loads<Value> {
  const open: { resolve(value: Value): void; reject(error: unknown): void }[] = [];
  const signals: AbortSignal[] = [];
  const tokens: number[] = [];
  return {
    get count() {
      return signals.length;
    },
    signals,
    tokens,
    load(_, { signal, token }) {
      signals.push(signal);
      tokens.push(token);
      return new Promise((resolve, reject) => open.push({ resolve, reject }));
    },
    async succeed(value) {
      open.shift()!.resolve(value);
      await settleTurns();
    },
    async fail(error) {
      open.shift()!.reject(error);
      await settleTurns();
    },
  };
}

/** The outcomes of promises, as far as they are settled. */
export function outcomes(promises: readonly Promise<unknown>[]): string[] {
  const seen: string[] = promises.map(() => 'open');
  promises.forEach((promise, index) => {
    promise.then(
      (value) => (seen[index] = JSON.stringify(value) ?? 'undefined'),
      (error: { code?: string; message: string }) => (seen[index] = error.code ?? error.message),
    );
  });
  return seen;
}
