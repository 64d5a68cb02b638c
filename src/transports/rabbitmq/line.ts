/**
 * A connection that comes back: made anew after every loss, at growing intervals of a second at the
 * most, until it is closed. What a loss means is up to whoever uses it.
 */

import type { ChannelModel } from 'amqplib';
import { setImmediate as turn } from 'node:timers/promises';
import { systemClock, type Timer } from '../../clock.ts';
import type { ErrorCode, MaloteError } from '../../errors.ts';
import { connectToOne } from './driver.ts';
import { checkServer } from './greeting.ts';
import { callFailure, lineLost, messageOf, unreachable } from './failures.ts';
import type { Settings } from './settings.ts';

/** One connection, from its opening to its loss. */
export interface Wire {
  readonly model: ChannelModel;
  isOpen: boolean;
  /** Resolves when what was written until now has left this process. */
  flushed(): Promise<void>;
  /** Nobody waits for that. */
  readonly isFlushed: boolean;
  /** Runs it at the end of this turn of the loop, with all others: they write in one go. */
  atTurnEnd(write: () => void): void;
  /** Ends it as the death of the process does. */
  destroy(reason: string): void;
}

export interface LineOptions {
  readonly settings: Settings;
  readonly purpose: string;
  /** A number in [0, 1): processes that lost one server do not come back all at once. */
  readonly random: () => number;
  /** Prepares a new connection; when it rejects, the connection is given up. */
  opened(wire: Wire): Promise<void>;
  lost(wire: Wire, reason: string): void;
  /** Hears that the connection is gone, and why it does not come back; each reason once. */
  troubled(error: MaloteError): void;
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

const ended = 'it was closed here';
const nothing: Buffer = Buffer.alloc(0);
const shortestPauseMs = 100;
const longestPauseMs = 1_000;

/** How long to wait before the next try, after so many that failed. */
export function pauseAfter(failures: number, random: number): number {
  const wholeMs = Math.min(longestPauseMs, shortestPauseMs * 2 ** failures);
  return (wholeMs / 2) * (1 + random);
}

interface State {
  wire: Wire | null;
  isClosed: boolean;
  /** The place of the address that is tried first: the next one after every failure. */
  at: number;
  /** Being prepared. */
  next: Wire | null;
  timer: Timer | null;
  /** Tries since there was a connection. */
  failures: number;
  lastError: unknown;
  /** What the trouble was that was told of last. */
  told: ErrorCode | null;
  waiting: Set<(wire: Wire | null) => void>;
}

export function createLine(options: LineOptions): Line {
  const state: State = {
    wire: null,
    isClosed: false,
    at: Math.floor(options.random() * options.settings.urls.length),
    next: null,
    timer: null,
    failures: 0,
    lastError: null,
    told: null,
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
      // A server that does not answer any more must not keep the process; nor must a connection
      // that is lost while it closes: the driver answers nothing then.
      const over = new Promise<void>((resolve) => void wire.model.once('close', () => resolve()));
      const timer = systemClock.setTimer(() => wire.destroy('it does not close'), 2_000);
      await Promise.race([over, wire.model.close().catch(() => undefined)]);
      timer.cancel();
    },
    destroy() {
      state.wire?.destroy(ended);
      state.next?.destroy(ended);
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
  const { settings, purpose } = options;
  const from = state.at;
  state.at = from + 1;
  const { model, at } = await connectToOne(settings, purpose, from);
  state.at = at + 1;
  const url = settings.urls[at]!;
  const wire = wireOf(model);
  let reason = 'the connection was closed';
  model.on('error', (error) => (reason = messageOf(error)));
  let give: (error: Error) => void = () => undefined;
  const given = new Promise<never>((_, reject) => (give = reject));
  given.catch(() => undefined);
  model.on('close', () => {
    wire.isOpen = false;
    give(new Error(reason));
    // The driver only ends its side: who does not answer any more would keep the socket.
    systemClock.setTimer(() => wire.destroy(reason), 1_000).unref();
    if (state.wire !== wire) return;
    state.wire = null;
    options.lost(wire, reason);
    tell(state, options, lineLost(url, reason, true));
    again(state, options);
  });
  state.next = wire;
  if (state.isClosed) wire.destroy(ended);
  try {
    checkServer(model, url);
    // What is lost while it is prepared may leave somebody waiting for an answer for ever.
    await Promise.race([options.opened(wire), given]);
  } catch (error) {
    const wasLost = !wire.isOpen;
    wire.destroy('it could not be prepared');
    options.lost(wire, reason);
    throw preparing(error, wasLost ? lineLost(url, reason, false) : null);
  } finally {
    state.next = null;
  }
  if (state.isClosed || !wire.isOpen) {
    wire.destroy(ended);
    throw preparing(new Error(reason), lineLost(url, reason, false));
  }
  state.wire = wire;
  state.failures = 0;
  state.told = null;
  for (const resolve of state.waiting) resolve(wire);
  state.waiting.clear();
}

/** A refusal has its own name; whatever else befell a connection that was lost will pass. */
function preparing(error: unknown, loss: MaloteError | null): MaloteError {
  const failure = callFailure(error, 'preparing the connection');
  const isVague = failure.code === 'ENGINE_FAILED' || failure.code === 'INDETERMINATE';
  return isVague && loss !== null ? loss : failure;
}

function again(state: State, options: LineOptions): void {
  if (state.isClosed) return;
  const pauseMs = pauseAfter(state.failures, options.random());
  state.failures += 1;
  state.timer = systemClock.setTimer(() => {
    attempt(state, options).catch((error: unknown) => {
      if (state.isClosed) return;
      state.lastError = error;
      tell(state, options, callFailure(error, 'connecting again'));
      again(state, options);
    });
  }, pauseMs);
}

function tell(state: State, { troubled }: LineOptions, error: MaloteError): void {
  if (state.isClosed || state.told === error.code) return;
  state.told = error.code;
  troubled(error);
}

function ready(state: State, { settings }: LineOptions, waitMs: number): Promise<Wire> {
  if (state.wire !== null) return Promise.resolve(state.wire);
  return new Promise((resolve, reject) => {
    const give = (): void => reject(unreachable(settings.urls, waitMs, state.lastError));
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
      /** Calls back behind everything that was written before, also when that fails. */
      write(bytes: Buffer, done: () => void): void;
      destroy(error: Error): void;
    };
  };
}

export function wireOf(model: ChannelModel): Wire {
  const { stream } = (model as unknown as Sockets).connection;
  let flushing: Promise<void> | null = null;
  let waiting = 0;
  const flush = async (): Promise<void> => {
    waiting += 1;
    await leave().finally(() => (waiting -= 1));
  };
  const leave = async (): Promise<void> => {
    // The driver collects what a turn writes and hands it to the socket in the next one.
    await turn();
    flushing = null;
    await turn();
    if (stream.writableLength === 0 || !wire.isOpen) return;
    // A stream that was never full tells of no drain.
    await new Promise<void>((resolve) => stream.write(nothing, () => resolve()));
  };
  let writes: (() => void)[] = [];
  const writeAll = (): void => {
    const all = writes;
    writes = [];
    for (const write of all) write();
  };
  const wire: Wire = {
    model,
    isOpen: true,
    flushed: () => (flushing ??= flush()),
    get isFlushed() {
      return waiting === 0;
    },
    atTurnEnd(write) {
      writes.push(write);
      if (writes.length === 1) setImmediate(writeAll);
    },
    destroy(reason) {
      wire.isOpen = false;
      stream.destroy(new Error(reason));
    },
  };
  return wire;
}
