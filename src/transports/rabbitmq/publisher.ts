/**
 * Publishing: persistent, mandatory, confirmed one by one and never awaited one by one. What is
 * sent in one order is stored in that order.
 */

import type { ConfirmChannel, Message, Options } from 'amqplib';
import { systemClock, type Clock } from '../../clock.ts';
import { MaloteError } from '../../errors.ts';
import { callFailure, messageOf, unreachable, unsure } from './failures.ts';
import type { Line, Wire } from './line.ts';

export interface Sending {
  readonly exchange: string;
  readonly key: string;
  readonly body: Buffer;
  readonly properties: Options.Publish;
}

/** Null once it is stored. `INDETERMINATE` when nobody knows; otherwise it is not stored. */
export type Sent = (error: MaloteError | null) => void;

export interface Publisher {
  put(sending: Sending, sent: Sent): void;
  /** Resolves once stored, rejects otherwise. */
  send(...sendings: readonly Sending[]): Promise<void>;
  /** To be called with every new connection. */
  use(wire: Wire): Promise<void>;
  lost(reason: string): void;
  end(): void;
}

interface Pending {
  readonly sending: Sending;
  readonly sent: Sent;
  /** When its sender gives up, by the monotonic clock. */
  readonly until: number;
  isReturned: boolean;
}

interface State {
  readonly line: () => Line;
  readonly url: string;
  readonly waitMs: number;
  readonly clock: Clock;
  channel: ConfirmChannel | null;
  /** Not written yet, as there is no connection. */
  waiting: Pending[];
  readonly written: Set<Pending>;
  readonly byId: Map<string, Pending>;
  isWatching: boolean;
  isEnded: boolean;
  lastReason: string;
}

export interface PublisherOptions {
  readonly line: () => Line;
  readonly url: string;
  /** How long a message may be on its way. */
  readonly waitMs: number;
}

export function createPublisher(options: PublisherOptions): Publisher {
  const state: State = {
    ...options,
    clock: systemClock,
    channel: null,
    waiting: [],
    written: new Set(),
    byId: new Map(),
    isWatching: false,
    isEnded: false,
    lastReason: 'it is not connected',
  };
  const put: Publisher['put'] = (sending, sent) => putOne(state, sending, sent);
  return {
    put,
    async send(...sendings) {
      const all = sendings.map(
        (sending) =>
          new Promise<void>((resolve, reject) => {
            put(sending, (error) => (error === null ? resolve() : reject(error)));
          }),
      );
      await Promise.all(all);
    },
    use: (wire) => use(state, wire),
    lost: (reason) => lose(state, reason),
    end() {
      state.isEnded = true;
      lose(state, 'the connection was closed');
      refuseWaiting(state, () => true);
    },
  };
}

function putOne(state: State, sending: Sending, sent: Sent): void {
  const until = state.clock.monotonic() + state.waitMs;
  const pending = { sending, sent, until, isReturned: false };
  if (state.isEnded) {
    sent(unreachable(state.url, 0, null));
    return;
  }
  if (state.channel === null) state.waiting.push(pending);
  else write(state, state.channel, pending);
  watch(state);
}

function write(state: State, channel: ConfirmChannel, pending: Pending): void {
  const { exchange, key, body, properties } = pending.sending;
  state.written.add(pending);
  const { messageId } = properties;
  if (messageId !== undefined) state.byId.set(messageId, pending);
  const options = { persistent: true, mandatory: true, ...properties };
  channel.publish(exchange, key, body, options, (error: unknown) => {
    if (!state.written.delete(pending)) return;
    if (messageId !== undefined && state.byId.get(messageId) === pending) {
      state.byId.delete(messageId);
    }
    pending.sent(error === null || error === undefined ? unroutable(pending) : refused(error));
  });
}

function unroutable({ isReturned, sending }: Pending): MaloteError | null {
  if (!isReturned) return null;
  const { exchange, key } = sending;
  const where = exchange === '' ? `queue "${key}"` : `exchange "${exchange}" for "${key}"`;
  return new MaloteError('ENGINE_FAILED', `${where} leads nowhere; nothing was stored`);
}

function refused(error: unknown): MaloteError {
  return new MaloteError('ENGINE_FULL', 'the server refused to store the message', {
    cause: error,
  });
}

async function use(state: State, wire: Wire): Promise<void> {
  const channel = await wire.model.createConfirmChannel();
  channel.on('return', ({ properties }: Message) => {
    const pending = state.byId.get(String(properties.messageId));
    if (pending !== undefined) pending.isReturned = true;
  });
  let reason = '';
  channel.on('error', (error) => (reason = messageOf(error)));
  channel.on('close', () => {
    if (state.channel !== channel) return;
    lose(state, reason);
    // The connection is well: a message was too large, or the exchange is gone. A new one
    // declares what is missing.
    if (wire.isOpen && reason !== '') wire.destroy();
  });
  state.channel = channel;
  const { waiting } = state;
  state.waiting = [];
  for (const pending of waiting) write(state, channel, pending);
}

function lose(state: State, reason: string): void {
  state.channel = null;
  state.lastReason = reason;
  const written = [...state.written];
  state.written.clear();
  state.byId.clear();
  const [, limit] = /larger than configured max size (\d+)/.exec(reason) ?? [];
  for (const { sent, sending } of written) {
    const isTooLarge = limit !== undefined && sending.body.length > Number(limit);
    sent(isTooLarge ? tooLarge(sending, Number(limit)) : unsure(reason));
  }
}

function tooLarge({ body, properties }: Sending, limit: number): MaloteError {
  return new MaloteError(
    'MESSAGE_TOO_LARGE',
    `a body may have ${limit} bytes on this server (max_message_size), this one has ${body.length}`,
    properties.messageId === undefined ? {} : { id: properties.messageId },
  );
}

/** Nothing waits for ever: not for a connection, nor for a server that is blocked or frozen. */
function watch(state: State): void {
  if (state.isWatching) return;
  state.isWatching = true;
  const timer = state.clock.setTimer(
    () => {
      state.isWatching = false;
      const now = state.clock.monotonic();
      refuseWaiting(state, ({ until }) => until <= now);
      for (const pending of state.written) {
        if (pending.until > now) break;
        state.written.delete(pending);
        pending.sent(unsure(`the server did not confirm within ${state.waitMs} ms`));
      }
      if (state.waiting.length > 0 || state.written.size > 0) watch(state);
    },
    Math.max(50, state.waitMs / 8),
  );
  timer.unref();
}

function refuseWaiting(state: State, isOver: (pending: Pending) => boolean): void {
  const over = state.waiting.filter(isOver);
  if (over.length === 0) return;
  state.waiting = state.waiting.filter((pending) => !isOver(pending));
  const error = callFailure(
    unreachable(state.url, state.waitMs, new Error(state.lastReason)),
    'publishing',
  );
  for (const { sent } of over) sent(error);
}
