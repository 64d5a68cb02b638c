/**
 * A connection that comes back: made anew after every loss, at growing intervals, until it is
 * closed. What a loss means is up to whoever uses it.
 */

import type { ChannelModel } from 'amqplib';
import { setImmediate as turn } from 'node:timers/promises';
import { systemClock, type Timer } from '../../clock.ts';
import type { MaloteError } from '../../errors.ts';
import { connect } from './driver.ts';
import { callFailure, messageOf, unreachable } from './failures.ts';
import type { Settings } from './settings.ts';

/** One connection, from its opening to its loss. */
export interface Wire {
  readonly model: ChannelModel;
  isOpen: boolean;
  /** Resolves when what was written until now has left this process. */
  flushed(): Promise<void>;
  /** Ends it as the death of the process does. */
  destroy(): void;
}

export interface LineOptions {
  readonly settings: Settings;
  readonly purpose: string;
  /** Prepares a new connection; when it rejects, the connection is given up. */
  opened(wire: Wire): Promise<void>;
  lost(wire: Wire, reason: string): void;
  /** Hears why the connection does not come back for now. */
  failed(error: MaloteError): void;
}

export interface Line {
  readonly wire: Wire | null;
  /** Rejects with the reason when the first attempt fails. */
  open(): Promise<void>;
  /** Resolves with a wire that is ready, or rejects when there is none in time. */
  ready(waitMs: number): Promise<Wire>;
  close(): Promise<void>;
  destroy(): void;
}

const shortestPauseMs = 100;
const longestPauseMs = 5_000;

interface State {
  wire: Wire | null;
  isClosed: boolean;
  /** Being prepared. */
  next: Wire | null;
  timer: Timer | null;
  pauseMs: number;
  lastError: unknown;
  waiting: Set<(wire: Wire | null) => void>;
}

export function createLine(options: LineOptions): Line {
  const state: State = {
    wire: null,
    isClosed: false,
    next: null,
    timer: null,
    pauseMs: shortestPauseMs,
    lastError: null,
    waiting: new Set(),
  };
  return {
    get wire() {
      return state.wire;
    },
    open: () => attempt(state, options),
    ready: (waitMs) => ready(state, options, waitMs),
    async close() {
      const { wire } = state;
      shut(state);
      if (wire === null) return;
      // A server that does not answer any more must not keep the process.
      const timer = systemClock.setTimer(() => wire.destroy(), 2_000);
      await wire.model.close().catch(() => undefined);
      timer.cancel();
    },
    destroy() {
      state.wire?.destroy();
      state.next?.destroy();
      shut(state);
    },
  };
}

function shut(state: State): void {
  state.isClosed = true;
  state.timer?.cancel();
  if (state.wire !== null) state.wire.isOpen = false;
  state.wire = null;
  for (const resolve of state.waiting) resolve(null);
  state.waiting.clear();
}

async function attempt(state: State, options: LineOptions): Promise<void> {
  const model = await connect(options.settings, options.purpose);
  const wire = wireOf(model);
  let reason = 'the connection was closed';
  model.on('error', (error) => (reason = messageOf(error)));
  model.on('close', () => {
    wire.isOpen = false;
    if (state.wire !== wire) return;
    state.wire = null;
    options.lost(wire, reason);
    again(state, options);
  });
  state.next = wire;
  if (state.isClosed) wire.destroy();
  try {
    await options.opened(wire);
  } catch (error) {
    wire.isOpen = false;
    wire.destroy();
    throw callFailure(error, 'preparing the connection');
  } finally {
    state.next = null;
  }
  if (state.isClosed || !wire.isOpen) {
    wire.destroy();
    throw callFailure(new Error(reason), 'preparing the connection');
  }
  state.wire = wire;
  state.pauseMs = shortestPauseMs;
  for (const resolve of state.waiting) resolve(wire);
  state.waiting.clear();
}

function again(state: State, options: LineOptions): void {
  if (state.isClosed) return;
  state.timer = systemClock.setTimer(() => {
    attempt(state, options).catch((error: unknown) => {
      if (state.isClosed) return;
      state.lastError = error;
      options.failed(callFailure(error, 'connecting again'));
      again(state, options);
    });
  }, state.pauseMs);
  state.pauseMs = Math.min(longestPauseMs, state.pauseMs * 2);
}

function ready(state: State, { settings }: LineOptions, waitMs: number): Promise<Wire> {
  if (state.wire !== null) return Promise.resolve(state.wire);
  return new Promise((resolve, reject) => {
    const give = (): void => reject(unreachable(settings.url, waitMs, state.lastError));
    if (state.isClosed) {
      give();
      return;
    }
    const answer = (wire: Wire | null): void => {
      timer.cancel();
      if (wire === null) give();
      else resolve(wire);
    };
    const timer = systemClock.setTimer(() => {
      state.waiting.delete(answer);
      give();
    }, waitMs);
    state.waiting.add(answer);
  });
}

interface Sockets {
  readonly connection: {
    readonly stream: {
      readonly writableLength: number;
      once(event: 'drain' | 'close', listener: () => void): void;
      removeListener(event: 'drain' | 'close', listener: () => void): void;
      destroy(error: Error): void;
    };
  };
}

function wireOf(model: ChannelModel): Wire {
  const { stream } = (model as unknown as Sockets).connection;
  let flushing: Promise<void> | null = null;
  const flush = async (): Promise<void> => {
    // The driver collects what a turn writes and hands it to the socket in the next one.
    await turn();
    flushing = null;
    await turn();
    if (stream.writableLength === 0 || !wire.isOpen) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        stream.removeListener('drain', done);
        stream.removeListener('close', done);
        resolve();
      };
      stream.once('drain', done);
      stream.once('close', done);
    });
  };
  const wire: Wire = {
    model,
    isOpen: true,
    flushed: () => (flushing ??= flush()),
    destroy() {
      wire.isOpen = false;
      stream.destroy(new Error('the connection was given up'));
    },
  };
  return wire;
}
