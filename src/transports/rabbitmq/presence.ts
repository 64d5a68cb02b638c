/**
 * Who else is there. Every session has a queue of its own that goes with it: a message to a
 * session that is gone comes back at once. Members of a subscription greet each other to share its
 * partitions, and questions go to all of them.
 *
 * A wrong view delays the balance of partitions or leaves something out of a figure. Nothing that
 * must be right depends on it.
 */

import type { ChannelModel, ConsumeMessage } from 'amqplib';
import { sleep, systemClock } from '../../clock.ts';
import { MaloteError } from '../../errors.ts';
import { whenClosed } from './driver.ts';
import { sessionQueue, type Names } from './names.ts';
import type { Publisher, Sending } from './publisher.ts';

export interface Presence {
  /** Sessions that consume a subscription, this one not included. */
  peersOf(subscription: string): readonly string[];
  /** Tells the others that this session is, or is no longer, a member. */
  announce(subscription: string, isMember: boolean): void;
  /** Finds out who of the members of a subscription is still there. */
  verify(subscription: string): Promise<void>;
  /** False only where it is certain that a session is gone. */
  isThere(session: string): Promise<boolean>;
  /** Asks every session; those that are gone or do not answer in a while are left out. */
  ask(question: unknown): Promise<unknown[]>;
  /** Sends to one session; false when it is gone. */
  tell(session: string, message: object): Promise<boolean>;
}

export interface PresenceOptions {
  readonly model: ChannelModel;
  readonly publisher: Publisher;
  readonly names: Names;
  readonly session: string;
  readonly newId: () => string;
  broken(reason: string): void;
  /** Answers a question of another session. */
  answer(question: unknown): unknown;
  /** Hears what was told by {@link Presence.tell}. */
  told(message: unknown): void;
  /** Members of a subscription came or went. */
  changed(subscription: string): void;
  /** Sessions that ought to be there. */
  expected(): Promise<number>;
}

type Greeting =
  | { kind: 'hello'; from: string; memberOf: readonly string[] }
  | { kind: 'here'; from: string; memberOf: readonly string[] }
  | { kind: 'member'; from: string; subscription: string; is: boolean }
  | { kind: 'question'; from: string; id: string; question: unknown }
  | { kind: 'answer'; from: string; id: string; answer: unknown }
  | { kind: 'told'; from: string; message: unknown };

interface State extends PresenceOptions {
  readonly peers: Map<string, Set<string>>;
  readonly own: Set<string>;
  readonly asked: Map<string, (answer: unknown) => void>;
}

const patienceMs = 2_000;

export async function startPresence(options: PresenceOptions): Promise<Presence> {
  const { model, names, session, broken } = options;
  const state: State = { ...options, peers: new Map(), own: new Set(), asked: new Map() };
  const queue = sessionQueue(names, session);
  const channel = await model.createChannel();
  whenClosed(channel, (because) => broken(`the channel of the session was closed${because}`));
  await channel.assertQueue(queue, { exclusive: true, durable: false, autoDelete: true });
  await channel.bindQueue(queue, names.hello, '');
  await channel.consume(queue, (message) => hear(state, message), { noAck: true });
  await greet(state, { kind: 'hello', from: session, memberOf: [] });
  return {
    peersOf: (subscription) => peersOf(state, subscription),
    announce(subscription, is) {
      if (is) state.own.add(subscription);
      else state.own.delete(subscription);
      void greet(state, { kind: 'member', from: session, subscription, is });
    },
    async verify(subscription) {
      await Promise.all(peersOf(state, subscription).map((peer) => isThere(state, peer)));
    },
    isThere: (peer) => mayBeThere(state, peer),
    ask: (question) => askAll(state, question),
    tell: (to, message) => send(state, to, { kind: 'told', from: session, message }),
  };
}

function peersOf({ peers }: State, subscription: string): string[] {
  return [...peers].flatMap(([peer, memberOf]) => (memberOf.has(subscription) ? [peer] : []));
}

function hear(state: State, message: ConsumeMessage | null): void {
  if (message === null) {
    state.broken('the queue of the session was deleted');
    return;
  }
  const greeting = JSON.parse(message.content.toString('utf8')) as Greeting;
  const { from } = greeting;
  // What a session sends itself by name is meant; what reaches everybody is for the others.
  if (from === state.session && greeting.kind !== 'told') return;
  switch (greeting.kind) {
    case 'hello':
      learn(state, from, greeting.memberOf);
      void send(state, from, { kind: 'here', from: state.session, memberOf: [...state.own] });
      return;
    case 'here':
      learn(state, from, greeting.memberOf);
      return;
    case 'member': {
      const memberOf = state.peers.get(from) ?? new Set();
      if (greeting.is) memberOf.add(greeting.subscription);
      else memberOf.delete(greeting.subscription);
      state.peers.set(from, memberOf);
      state.changed(greeting.subscription);
      return;
    }
    case 'question': {
      const { id } = greeting;
      const answer = state.answer(greeting.question);
      void send(state, from, { kind: 'answer', from: state.session, id, answer });
      return;
    }
    case 'answer':
      state.asked.get(`${greeting.id} ${from}`)?.(greeting.answer);
      return;
    case 'told':
      state.told(greeting.message);
      return;
  }
}

function learn(state: State, peer: string, memberOf: readonly string[]): void {
  state.peers.set(peer, new Set(memberOf));
  for (const subscription of memberOf) state.changed(subscription);
}

function forget(state: State, peer: string): void {
  const memberOf = state.peers.get(peer);
  state.peers.delete(peer);
  for (const subscription of memberOf ?? []) state.changed(subscription);
}

async function isThere(state: State, peer: string): Promise<boolean> {
  const greeting = { kind: 'here', from: state.session, memberOf: [...state.own] } as const;
  return await send(state, peer, greeting);
}

async function mayBeThere(state: State, peer: string): Promise<boolean> {
  const greeting = { kind: 'here', from: state.session, memberOf: [...state.own] } as const;
  try {
    await state.publisher.send(passing(state, sessionQueue(state.names, peer), greeting));
    return true;
  } catch (error) {
    return !isCertain(error);
  }
}

/** Nothing leads to it. Of a server that does not answer nobody knows who is there. */
function isCertain(error: unknown): boolean {
  return error instanceof MaloteError && error.code === 'ENGINE_FAILED';
}

async function send(state: State, peer: string, greeting: Greeting): Promise<boolean> {
  try {
    await state.publisher.send(passing(state, sessionQueue(state.names, peer), greeting));
    return true;
  } catch (error) {
    if (isCertain(error)) forget(state, peer);
    return false;
  }
}

async function greet(state: State, greeting: Greeting): Promise<void> {
  const { exchange, key, ...rest } = passing(state, '', greeting);
  const sending = { ...rest, exchange: state.names.hello, key: exchange + key };
  await state.publisher.send(sending).catch(() => undefined);
}

function passing({ newId }: State, key: string, greeting: Greeting): Sending {
  const body = Buffer.from(JSON.stringify(greeting));
  return { exchange: '', key, body, properties: { messageId: newId(), persistent: false } };
}

async function askAll(state: State, question: unknown): Promise<unknown[]> {
  await everyone(state);
  const id = state.newId();
  const answers = [...state.peers.keys()].map((peer) => askOne(state, { peer, id, question }));
  return (await Promise.all(answers)).filter((answer) => answer !== undefined);
}

/** Waits a while until those who ought to be there have greeted. */
async function everyone(state: State): Promise<void> {
  const expected = await state.expected();
  for (let left = 25; left > 0 && state.peers.size < expected; left--) {
    await sleep(20);
  }
}

interface Asking {
  readonly peer: string;
  readonly id: string;
  readonly question: unknown;
}

async function askOne(state: State, { peer, id, question }: Asking): Promise<unknown> {
  const name = `${id} ${peer}`;
  try {
    return await new Promise<unknown>((resolve) => {
      const timer = systemClock.setTimer(() => resolve(undefined), patienceMs);
      timer.unref();
      state.asked.set(name, (answer) => {
        timer.cancel();
        resolve(answer);
      });
      const greeting = { kind: 'question', from: state.session, id, question } as const;
      void send(state, peer, greeting).then((isSent) => {
        if (!isSent) state.asked.get(name)?.(undefined);
      });
    });
  } finally {
    state.asked.delete(name);
  }
}
