/**
 * Where programs without malote publish. Every subscription has a queue for what comes that way,
 * with one reader among its processes: each of them knows all types of the subscription, so types
 * that share a key stay in the order in which they came.
 *
 *     malote.in ─ type ─▶ q.<name>/in ─ reader: key, facts, delay ─▶ p.i, s.i or u ─▶ ack
 *        │ no subscription
 *        └─▶ malote.in.kept      until the first subscription of the type adopts it
 *
 * Of one key a message is forwarded when the one before it is confirmed. A reader that dies between
 * the two leaves what it had forwarded to be forwarded again: a copy, never out of order, as what
 * comes first of each still comes in order. What nobody can read goes to the dead letters. What
 * this process does not know, or cannot store, goes back, and others have a try.
 */

import type { ConsumeMessage } from 'amqplib';
import { systemClock } from '../../clock.ts';
import { MaloteError } from '../../errors.ts';
import { ownFailureOf } from '../../message/failure.ts';
import type { Failure, Outgoing } from '../../transport/transport.ts';
import { closeChannel, whenClosed } from './driver.ts';
import { ackPlace, createAckBook, drained, endBook, placeOf, type AckBook } from './ack-book.ts';
import { foreignOf, forwardOf, unreadableOf } from './foreign.ts';
import type { Context, Ingress, Member } from './hold.ts';
import { windowSize } from './settings.ts';
import { isRefusal } from './unsent.ts';

/** One reading of the queue, from a consume until its channel is closed. */
interface Reading {
  readonly book: AckBook;
  readonly line: ConsumeMessage[];
  /** The last of each key that is on its way. */
  readonly lanes: Map<string, Promise<void>>;
  readonly underWay: Set<Promise<void>>;
  isOpen: boolean;
  isTaking: boolean;
  /** Until what was under way is over, and the rest has gone back. */
  ending: Promise<void> | null;
}

interface State {
  readonly member: Member;
  reading: Reading | null;
  isStopped: boolean;
  /** The last message that this process did not know, and how often it came. */
  strange: { name: string; times: number };
}

/** How long the others have before this process stands by again. */
const pauseMs = 1_000;
/** A type that nobody knew as often is known by nobody. */
const mostTries = 3;

export async function openIngress(member: Member): Promise<Ingress> {
  const state: State = {
    member,
    reading: null,
    isStopped: false,
    strange: { name: '', times: 0 },
  };
  await read(state);
  return {
    get held() {
      return state.reading?.book.unacked ?? 0;
    },
    async stop() {
      state.isStopped = true;
      await giveBack(state.reading);
    },
  };
}

async function read(state: State): Promise<void> {
  const { member } = state;
  const queue = member.registered.queues.ingress;
  const channel = await member.channels.open();
  if (state.isStopped) {
    await closeChannel(channel);
    return;
  }
  const reading: Reading = {
    book: createAckBook(channel, queue),
    line: [],
    lanes: new Map(),
    underWay: new Set(),
    isOpen: true,
    isTaking: false,
    ending: null,
  };
  whenClosed(channel, (because) => {
    if (reading.isOpen) lost(state, `the channel of an ingress was closed${because}`);
  });
  state.reading = reading;
  await channel.prefetch(windowSize);
  await channel.consume(queue, (message) => {
    if (!reading.isOpen) return;
    if (message === null) {
      lost(state, `"${queue}" was deleted`);
      return;
    }
    reading.line.push(message);
    if (!reading.isTaking) void takeAll(state, reading);
  });
}

function lost({ member: { context, isForgotten } }: State, reason: string): void {
  if (context.isOpen() && !isForgotten) context.broken(reason);
}

async function takeAll(state: State, reading: Reading): Promise<void> {
  reading.isTaking = true;
  while (reading.line.length > 0) {
    for (const message of reading.line.splice(0)) {
      if (!reading.isOpen) return;
      await takeOne(state, reading, message);
    }
  }
  reading.isTaking = false;
}

async function takeOne(state: State, reading: Reading, delivery: ConsumeMessage): Promise<void> {
  const { context } = state.member;
  const { host } = context;
  const acceptedAt = host.clock.now();
  const place = placeOf(reading.book, delivery);
  const sealed = await host.seal(foreignOf(delivery, acceptedAt));
  if (!reading.isOpen) return;
  const { message } = sealed;
  const registered = state.member.registered;
  let failure: Failure;
  switch (sealed.kind) {
    case 'sealed':
      try {
        const sending = forwardOf(context, registered, { message, acceptedAt });
        const isFar = message.delayMs > context.settings.limits.longestHeldMs;
        forward(state, reading, message.key, async () => {
          if (isFar) await context.later();
          await context.publisher.send(sending);
          ackPlace(place);
        });
        return;
      } catch (error) {
        failure = ownFailureOf(error);
        break;
      }
    case 'unknown':
      if (mayBeKnown(state, message, delivery)) {
        goAway(state, reading, unknown(registered.name, message));
        return;
      }
      failure = ownFailureOf(unknown(registered.name, message));
      break;
    case 'invalid':
      failure = sealed.failure;
      break;
  }
  forward(state, reading, null, async () => {
    await bury(context, { state, message, failure });
    ackPlace(place);
  });
}

/** Behind what is on its way of the same key. */
function forward(
  state: State,
  reading: Reading,
  key: string | null,
  send: () => Promise<void>,
): void {
  const { lanes, underWay } = reading;
  const before = key === null ? undefined : lanes.get(key);
  const sending = before === undefined ? send() : before.then(send);
  const sent = sending.catch((error: unknown) => {
    goAway(state, reading, error as MaloteError);
    // Nothing of its key goes out before it.
    throw error;
  });
  sent.catch(() => undefined);
  underWay.add(sent);
  if (key !== null) lanes.set(key, sent);
  const over = (): void => {
    underWay.delete(sent);
    if (key !== null && lanes.get(key) === sent) lanes.delete(key);
  };
  sent.then(over, over);
}

interface Burying {
  readonly state: State;
  readonly message: Outgoing;
  readonly failure: Failure;
}

async function bury(context: Context, { state, message, failure }: Burying): Promise<void> {
  const { registered } = state.member;
  const { host, publisher, session, nextNumber } = context;
  const stamp = `${String(nextNumber()).padStart(16, '0')}-${session}`;
  const now = host.clock.now();
  await publisher.send(unreadableOf(registered, { message, now, failure, stamp }));
  const { id, topic: type } = message;
  const subscription = registered.name;
  host.notify({ kind: 'dead', id, type, subscription, attempt: 0, reason: 'invalid', failure });
}

/** Whether somebody else may know its type, as far as this process can tell. */
function mayBeKnown(
  { strange }: State,
  { topic }: Outgoing,
  { properties }: ConsumeMessage,
): boolean {
  const name = `${topic} ${String(properties.messageId)}`;
  strange.times = strange.name === name ? strange.times + 1 : 1;
  strange.name = name;
  return strange.times < mostTries;
}

function unknown(subscription: string, { topic }: Outgoing): MaloteError {
  return new MaloteError(
    'NOT_FOUND',
    `"${topic}" came for "${subscription}" from a program without malote, in a version that this ` +
      'process does not know, if it knows the type at all; start one that does',
  );
}

/** Gives everything back and stands by again a while later, behind the others. */
function goAway(state: State, reading: Reading, error: MaloteError): void {
  if (!reading.isOpen) return;
  const { context } = state.member;
  const ending = giveBack(reading);
  if (!context.isOpen()) return;
  const code = isRefusal(error.cause) ? 'ENGINE_FULL' : error.code;
  context.host.notify({ kind: 'engine-trouble', code, message: error.message });
  ending.then(
    () => {
      const again = (): void => {
        if (state.isStopped || state.member.isForgotten || !context.isOpen()) return;
        read(state).catch((failure: unknown) => lost(state, String(failure)));
      };
      systemClock.setTimer(again, pauseMs).unref();
    },
    () => undefined,
  );
}

/** What is under way is waited for; closing the channel returns the rest, in order. */
async function giveBack(reading: Reading | null): Promise<void> {
  if (reading === null) return;
  reading.isOpen = false;
  await (reading.ending ??= end(reading));
}

async function end({ book, underWay }: Reading): Promise<void> {
  while (underWay.size > 0) await Promise.allSettled(underWay);
  endBook(book);
  await drained(book);
  await closeChannel(book.channel);
}
