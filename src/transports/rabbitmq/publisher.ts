/**
 * Publishing: persistent, mandatory, confirmed one by one and never awaited one by one. What is
 * sent over one channel is stored in the order in which it was sent.
 *
 * The server reads on while 400 messages of a channel are on their way to a queue, and of those it
 * lets 32 be under way to its disk; then everything of the connection waits until the channel has
 * caught up ("Flow Control" and "Quorum Queues" in its documentation). So a publisher that has
 * enough on its way spreads it over several channels, each of which stays below that. What has no
 * order keeps it all the same as long as one channel is enough.
 *
 * A body that is too large for the server costs the channel that it came by. Of what was written
 * to it nobody knows what became of it if it came before; what came behind is sent once more, over
 * another channel of the same connection. The limit is known from then on.
 */

import type { Message } from 'amqplib';
import { systemClock, type Clock } from '../../clock.ts';
import type { MaloteError } from '../../errors.ts';
import {
  append,
  createList,
  unlink,
  type LinkedList,
  type Links,
} from '../../transport/linked-list.ts';
import { callFailure, messageOf, unreachable, unsure } from './failures.ts';
import { createFrames, type Frames, type Publish } from './frames.ts';
import type { Wire } from './line.ts';
import { isRefusal, refused, tooLarge, unroutable, unwritable } from './unsent.ts';

export interface Sending extends Publish {
  /** What has the same lane keeps its order; without one nothing orders it. */
  readonly lane?: number | undefined;
  /** Whether it is still to be stored, should there be a connection again. */
  readonly isWanted?: () => boolean;
  /** A server that says that it takes nothing for now is waited for, however long that is. */
  readonly isPatient?: boolean;
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
  /** From now on nothing waits for longer than anything else. */
  hurry(): void;
  end(): void;
  /** Settles as `stored` does, or resolves as soon as the server takes nothing more for now. */
  unlessBlocked(stored: Promise<void>): Promise<void>;
}

interface Pending extends Links<Pending> {
  readonly sending: Sending;
  readonly sent: Sent;
  readonly channel: Open;
  /** When its sender gives up, by the monotonic clock. */
  readonly until: number;
  isReturned: boolean;
  /** It is in the list of what is on its way by its channel. */
  isWritten: boolean;
}

/** One of the channels that it publishes by, over all connections. */
interface Open {
  /** Null while it is not open. */
  frames: Frames | null;
  /** On their way, in the order in which they were written. */
  readonly written: LinkedList<Pending>;
  /** The same by name: made where the server returns something, for one turn. */
  byName: Map<string, Pending[]> | null;
}

/** On its way by one channel, before what has no lane goes by the next one. */
const enough = 64;

interface State extends Omit<PublisherOptions, 'channels'> {
  readonly clock: Clock;
  readonly channels: readonly Open[];
  /** The place of the channel that what has no lane goes by. */
  loose: number;
  /** Not written yet, as there is no connection. */
  waiting: Pending[];
  /** The longest body that the server takes, once it has said so. */
  mostBytes: number;
  isWatching: boolean;
  isEnded: boolean;
  lastReason: string;
  isBlocked: boolean;
  isHurried: boolean;
  /** Those who want to hear when the server blocks. */
  readonly whenBlocked: Set<() => void>;
}

/** The same publisher for states of messages: patient, as long as `isWanted` says they are. */
export function whileWanted(publisher: Publisher, isWanted: () => boolean): Publisher {
  const put: Publisher['put'] = (sending, sent) =>
    publisher.put({ ...sending, isWanted, isPatient: true }, sent);
  return { ...publisher, put, send: (...sendings) => sendAll(put, sendings) };
}

export interface PublisherOptions {
  readonly urls: readonly string[];
  /** How many it publishes by. */
  readonly channels: number;
  /** How long a message may be on its way. */
  readonly waitMs: number;
  /** Something was sent to where no queue is. */
  nowhere(sending: Sending): void;
}

export function createPublisher(options: PublisherOptions): Publisher {
  const state: State = {
    ...options,
    clock: systemClock,
    channels: Array.from({ length: options.channels }, () => ({
      frames: null,
      written: createList<Pending>(),
      byName: null,
    })),
    loose: 0,
    waiting: [],
    mostBytes: Number.POSITIVE_INFINITY,
    isWatching: false,
    isEnded: false,
    lastReason: 'it is not connected',
    isBlocked: false,
    isHurried: false,
    whenBlocked: new Set(),
  };
  const put: Publisher['put'] = (sending, sent) => putOne(state, sending, sent);
  return {
    put,
    send: (...sendings) => sendAll(put, sendings),
    use: (wire) => use(state, wire),
    unlessBlocked: (stored) => unlessBlocked(state, stored),
    lost: (reason) => lose(state, reason),
    hurry: () => void (state.isHurried = true),
    end() {
      state.isEnded = true;
      lose(state, 'the connection was closed');
      refuseWaiting(state, () => true);
    },
  };
}

async function sendAll(put: Publisher['put'], sendings: readonly Sending[]): Promise<void> {
  const all = sendings.map(
    (sending) =>
      new Promise<void>((resolve, reject) => {
        put(sending, (error) => (error === null ? resolve() : reject(error)));
      }),
  );
  await Promise.all(all);
}

function putOne(state: State, sending: Sending, sent: Sent): void {
  const until = state.clock.monotonic() + state.waitMs;
  const channel = channelFor(state, sending);
  const pending: Pending = {
    sending,
    sent,
    channel,
    until,
    isReturned: false,
    isWritten: false,
    previous: null,
    next: null,
  };
  if (state.isEnded) {
    sent(unreachable(state.urls, 0, null));
    return;
  }
  if (sending.body.length > state.mostBytes) {
    sent(tooLarge(sending, state.mostBytes));
    return;
  }
  const { frames } = channel;
  if (frames === null) state.waiting.push(pending);
  else write(state, frames, pending);
  watch(state);
}

function channelFor(state: State, { lane }: Sending): Open {
  const { channels } = state;
  if (lane !== undefined) return channels[lane % channels.length]!;
  const channel = channels[state.loose]!;
  if (channel.frames !== null && channel.written.size < enough) return channel;
  state.loose = (state.loose + 1) % channels.length;
  return channels[state.loose]!;
}

function write(state: State, frames: Frames, pending: Pending): void {
  const { sending } = pending;
  let isWritten: boolean;
  try {
    isWritten = frames.publish(sending, (error) => confirmed(state, pending, error));
  } catch (error) {
    pending.sent(unwritable(sending, error));
    return;
  }
  if (!isWritten) {
    // The connection has ended, and its end is not heard of yet.
    state.waiting.push(pending);
    return;
  }
  pending.isWritten = true;
  append(pending.channel.written, pending);
}

function confirmed(state: State, pending: Pending, error: unknown): void {
  const isStored = error === null || error === undefined;
  // The driver says so of a channel that is closed as well: nobody knows then.
  if (!isStored && !isRefusal(error)) return;
  if (!pending.isWritten) return;
  leave(pending);
  const { sending, isReturned } = pending;
  if (!isStored) pending.sent(refused(error));
  else pending.sent(isReturned ? unroutable(sending) : null);
  if (isStored && isReturned) state.nowhere(sending);
}

function leave(pending: Pending): void {
  pending.isWritten = false;
  unlink(pending.channel.written, pending);
}

/** On their way by a channel, in the order in which they were written. */
function allOf({ written }: Open): Pending[] {
  const all: Pending[] = [];
  for (let pending = written.head; pending !== null; pending = pending.next) all.push(pending);
  return all;
}

function unlessBlocked({ isBlocked, whenBlocked }: State, stored: Promise<void>): Promise<void> {
  if (isBlocked) return Promise.resolve();
  return new Promise((resolve, reject) => {
    whenBlocked.add(resolve);
    stored.then(resolve, reject).finally(() => whenBlocked.delete(resolve));
  });
}

function watchBlocking(state: State, { model }: Wire): void {
  state.isBlocked = false;
  model.on('blocked', () => {
    state.isBlocked = true;
    for (const resolve of state.whenBlocked) resolve();
  });
  model.on('unblocked', () => (state.isBlocked = false));
}

async function use(state: State, wire: Wire): Promise<void> {
  watchBlocking(state, wire);
  // A server that was started anew may take more.
  state.mostBytes = Number.POSITIVE_INFINITY;
  await Promise.all(state.channels.map((open) => openChannel(state, wire, open)));
}

async function openChannel(state: State, wire: Wire, open: Open): Promise<void> {
  const channel = await wire.model.createConfirmChannel();
  channel.on('return', ({ fields, properties: { messageId } }: Message) => {
    const { exchange, routingKey: key } = fields;
    const returned = onTheirWay(open).get(nameOf({ exchange, key, messageId }))?.shift();
    if (returned !== undefined) returned.isReturned = true;
  });
  let reason = '';
  channel.on('error', (error) => (reason = messageOf(error)));
  channel.on('close', () => {
    if (open.frames !== frames) return;
    if (wire.isOpen && isLimit(state, reason)) {
      loseAround(state, open, reason);
      openChannel(state, wire, open).catch((error: unknown) => wire.destroy(messageOf(error)));
      return;
    }
    lose(state, reason === '' ? 'the connection ended' : reason, [open]);
    // The connection is well: an exchange is gone. A new one declares what is missing.
    if (wire.isOpen && reason !== '') wire.destroy(reason);
  });
  const frames = createFrames(wire, channel);
  open.frames = frames;
  const waiting = state.waiting.filter((pending) => pending.channel === open);
  state.waiting = state.waiting.filter((pending) => pending.channel !== open);
  for (const pending of waiting) {
    const { isWanted, body } = pending.sending;
    if (isWanted?.() === false) pending.sent(unsure('its connection has ended'));
    else if (body.length <= state.mostBytes) write(state, frames, pending);
    else pending.sent(tooLarge(pending.sending, state.mostBytes));
  }
}

/** Nothing is written in the middle of what the server says. */
function onTheirWay(open: Open): Map<string, Pending[]> {
  if (open.byName !== null) return open.byName;
  const byName = new Map<string, Pending[]>();
  for (let pending = open.written.head; pending !== null; pending = pending.next) {
    if (pending.isReturned) continue;
    const { exchange, key, properties } = pending.sending;
    const name = nameOf({ exchange, key, messageId: properties.messageId });
    const alike = byName.get(name);
    if (alike === undefined) byName.set(name, [pending]);
    else alike.push(pending);
  }
  open.byName = byName;
  queueMicrotask(() => (open.byName = null));
  return byName;
}

interface Named {
  readonly exchange: string;
  readonly key: string;
  readonly messageId: unknown;
}

/** What is returned says by these what it is: one message may go to several queues at once. */
function nameOf({ exchange, key, messageId }: Named): string {
  return JSON.stringify([exchange, key, messageId]);
}

function isLimit(state: State, reason: string): boolean {
  const [, limit] = /larger than configured max size (\d+)/.exec(reason) ?? [];
  if (limit === undefined) return false;
  state.mostBytes = Number(limit);
  return true;
}

/** The server heeds nothing that comes behind one that it refuses with the channel. */
function loseAround(state: State, channel: Open, reason: string): void {
  const written = allOf(channel);
  const first = written.findIndex(({ sending }) => sending.body.length > state.mostBytes);
  const behind = first < 0 ? [] : written.slice(first);
  for (const pending of behind) leave(pending);
  lose(state, reason, [channel]);
  state.waiting.unshift(...behind);
}

function lose(state: State, reason: string, channels = state.channels): void {
  state.lastReason = reason;
  const lost = channels.flatMap(allOf);
  for (const channel of channels) channel.frames = null;
  for (const pending of lost) leave(pending);
  for (const { sent } of lost) sent(unsure(reason));
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
      for (const channel of state.channels) giveUpOn(state, channel, now);
      const isIdle = state.channels.every(({ written }) => written.size === 0);
      if (state.waiting.length > 0 || !isIdle) watch(state);
    },
    Math.max(50, state.waitMs / 8),
  );
  timer.unref();
}

function giveUpOn(state: State, channel: Open, now: number): void {
  const isWaiting = state.isBlocked && !state.isHurried;
  for (const pending of allOf(channel)) {
    if (!pending.isWritten) continue;
    if (pending.until > now) break;
    if (isWaiting && pending.sending.isPatient === true) continue;
    leave(pending);
    pending.sent(unsure(`the server did not confirm within ${state.waitMs} ms`));
  }
}

function refuseWaiting(state: State, isOver: (pending: Pending) => boolean): void {
  const over = state.waiting.filter(isOver);
  if (over.length === 0) return;
  state.waiting = state.waiting.filter((pending) => !isOver(pending));
  const error = callFailure(
    unreachable(state.urls, state.waitMs, new Error(state.lastReason)),
    'publishing',
  );
  for (const { sent } of over) sent(error);
}
