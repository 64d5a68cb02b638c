/**
 * Publishing: every call ends as accepted, refused or indeterminate, and says which.
 *
 * Calls of one turn go to the engine as one batch; while a subscription is full, those that may
 * wait stand in line, and whoever cannot is refused. Nothing is held without a bound.
 */

import type { Clock } from '../clock.ts';
import { MaloteError } from '../errors.ts';
import { toMs } from '../message/duration.ts';
import type { MessageType } from '../message/message.ts';
import type { Outgoing, PublishOutcome, Queue, Transport } from '../transport/transport.ts';
import { createAsking } from './asking.ts';
import { type EnvelopeContext, type PublishOptions, seal } from './envelope.ts';
import type { Events } from './events.ts';
import { createForgotten } from './forgotten.ts';
import { createInTurn } from './in-turn.ts';
import type { Link } from './link.ts';
import { createRoomLine, type InLine } from './room-line.ts';

export interface Published {
  readonly id: string;
  /** True when this id or dedupe key was published before; `id` is then the first one's. */
  readonly duplicate: boolean;
}

/** One item of `publishMany`. */
export type PublishResult =
  | { readonly status: 'accepted'; readonly id: string; readonly duplicate: boolean }
  | { readonly status: 'refused'; readonly id: string | null; readonly error: MaloteError }
  | { readonly status: 'indeterminate'; readonly id: string; readonly error: MaloteError };

export interface Publisher<Tx> {
  publish(type: MessageType, data: unknown, options?: PublishOptions<Tx>): Promise<Published>;
  /** Resolves once nothing handed in is still on its way. */
  flush(): Promise<void>;
  /** Messages that left a subscription may make room for as many of those that wait. */
  roomMade(messages: number): void;
  /** Whoever waits for room is refused, now and from now on: a stop does not wait for others. */
  stopWaiting(): void;
  /** The same, with what the engine failed with. */
  fail(error: MaloteError): void;
}

interface Pending extends InLine {
  readonly outgoing: Outgoing;
  readonly deadlineAt: number | null;
  readonly signal: AbortSignal | undefined;
  resolve(published: Published): void;
  reject(error: MaloteError): void;
}

/** Calls in flight above which a publish is refused: what a stalled engine may pile up. */
const maxInFlight = 100_000;

export interface PublisherOptions<Tx> {
  readonly link: Link<unknown>;
  /** Whose transactions `tx` may be. */
  readonly joined: Link<Tx>;
  readonly clock: Clock;
  readonly events: Events;
  readonly context: EnvelopeContext;
}

export function createPublisher<Tx>(options: PublisherOptions<Tx>): Publisher<Tx> {
  const { link, joined, clock, events, context } = options;
  let batch: Pending[] = [];
  const checks = createInTurn<Outgoing>();
  const line = createRoomLine<Pending>({ clock, mayWait, ask, refuse: refuseWait });
  const asking = createAsking<Pending>({ goOn: admit, roomMade: line.roomMade });
  const forgotten = createForgotten(joined, events);
  let lastOrder = 0;
  let inFlight = 0;
  let stopping = false;
  /** Batches that wait for the connection: later ones go the same way, so that none overtakes. */
  let opening = 0;
  let idle: (() => void)[] = [];

  function publish(
    type: MessageType,
    data: unknown,
    given?: PublishOptions<Tx>,
  ): Promise<Published> {
    try {
      const sealed = seal(type, data, given, context);
      if (given?.tx !== undefined) return publishJoined(sealed, given.tx);
      forgotten.look(type.name);
      if (!checks.isBusy && !(sealed instanceof Promise)) return enqueue(sealed, given);
      return checks.pass(sealed, (outgoing) => enqueue(outgoing, given));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  function enqueue(outgoing: Outgoing, given: PublishOptions<Tx> | undefined): Promise<Published> {
    if (inFlight >= maxInFlight) return Promise.reject(tooManyInFlight(outgoing.id));
    const signal = given?.signal;
    if (signal?.aborted === true) return Promise.reject(aborted(outgoing.id, signal));
    const deadlineAt =
      given?.wait === undefined ? null : clock.monotonic() + toMs(given.wait, 'publish: wait');
    inFlight += 1;
    lastOrder += 1;
    const order = lastOrder;
    const { topic } = outgoing;
    return new Promise((resolve, reject) => {
      admit({ order, topic, outgoing, deadlineAt, signal, resolve, reject });
    });
  }

  /** Whoever may wait stands behind those that wait already; nobody goes past them. */
  function admit(pending: Pending): void {
    const full = line.waitsFor(pending.topic);
    if (full === undefined) add(pending);
    else if (mayWait(pending)) line.join(pending);
    else refuse(pending, queueFull(pending.outgoing.id, full));
  }

  function add(pending: Pending): void {
    if (asking.hold(pending)) return;
    batch.push(pending);
    if (batch.length === 1) queueMicrotask(send);
  }

  function send(): void {
    const sending = batch;
    batch = [];
    const areAsking = sending.some(mayWait);
    if (areAsking) asking.begin();
    const queue = opening === 0 ? link.transport?.queue : undefined;
    const outgoing = sending.map((pending) => pending.outgoing);
    const answer = queue === undefined ? openAndPublish(outgoing) : queue.publish(outgoing);
    answer.then(
      (outcomes) => {
        for (let index = 0; index < sending.length; index++) {
          conclude(sending[index]!, outcomes[index]!);
        }
        if (areAsking) asking.end();
      },
      (error: unknown) => {
        for (const pending of sending) settleRejected(pending, error);
        if (areAsking) asking.end();
      },
    );
  }

  async function openAndPublish(outgoing: readonly Outgoing[]): Promise<readonly PublishOutcome[]> {
    opening += 1;
    let queue: Queue;
    try {
      ({ queue } = await link.open());
    } finally {
      opening -= 1;
    }
    return await queue.publish(outgoing);
  }

  function conclude(pending: Pending, outcome: PublishOutcome): void {
    const { id, topic } = pending.outgoing;
    switch (outcome.kind) {
      case 'stored':
        if (events.heard) events.emit({ kind: 'published', id, type: topic });
        if (outcome.kept === true) events.kept(id, topic);
        return accept(pending, { id, duplicate: false });
      case 'duplicate':
        if (events.heard) events.emit({ kind: 'duplicate', id, type: topic, of: outcome.id });
        return accept(pending, { id: outcome.id, duplicate: true });
      case 'full':
        if (!mayWait(pending)) return refuseWait(pending, outcome.subscription);
        if (stopping) return refuse(pending, stopped(id));
        return line.add(pending, outcome);
      case 'refused':
        return refuse(pending, outcome.error);
      case 'indeterminate':
        events.emit({ kind: 'indeterminate', id, type: topic });
        return end(pending, withId('INDETERMINATE', outcome.error, id));
    }
  }

  function accept(pending: Pending, published: Published): void {
    left();
    pending.resolve(published);
  }

  function refuse(pending: Pending, error: MaloteError): void {
    const { id, topic } = pending.outgoing;
    if (events.heard) events.emit({ kind: 'refused', id, type: topic, code: error.code });
    end(pending, error);
  }

  function end(pending: Pending, error: MaloteError): void {
    left();
    pending.reject(error);
  }

  function settleRejected(pending: Pending, error: unknown): void {
    refuse(pending, withId(codeOf(error), error, pending.outgoing.id));
  }

  function left(): void {
    inFlight -= 1;
    if (inFlight > 0 || idle.length === 0) return;
    for (const done of idle) done();
    idle = [];
  }

  function mayWait({ deadlineAt, signal }: Pending): boolean {
    if (deadlineAt === null) return signal !== undefined && !signal.aborted;
    return clock.monotonic() < deadlineAt && signal?.aborted !== true;
  }

  function ask(pending: Pending): void {
    const { signal, outgoing } = pending;
    if (signal?.aborted === true) refuse(pending, aborted(outgoing.id, signal));
    else add(pending);
  }

  function refuseWait(pending: Pending, subscription: string): void {
    const { signal, outgoing } = pending;
    if (signal?.aborted === true) refuse(pending, aborted(outgoing.id, signal));
    else refuse(pending, queueFull(outgoing.id, subscription));
  }

  /** Stores before it returns where the schema is synchronous and the engine open. */
  function publishJoined(sealed: Outgoing | Promise<Outgoing>, tx: Tx): Promise<Published> {
    const { transport } = joined;
    if (transport !== null && !(sealed instanceof Promise)) return join(transport, sealed, tx);
    return openAndJoin(sealed, tx);
  }

  async function openAndJoin(sealed: Outgoing | Promise<Outgoing>, tx: Tx): Promise<Published> {
    const outgoing = await sealed;
    let transport: Transport<Tx>;
    try {
      transport = await joined.open();
    } catch (error) {
      if (!(error instanceof MaloteError) || error.code !== 'ENGINE_BUSY') throw error;
      throw lockedByItself(error, outgoing.id);
    }
    return await join(transport, outgoing, tx);
  }

  function join(transport: Transport<Tx>, outgoing: Outgoing, tx: Tx): Promise<Published> {
    if (transport.join === null) throw transactionsMissing();
    let outcome: PublishOutcome;
    try {
      outcome = transport.join.publish(tx, [outgoing])[0]!;
    } catch (error) {
      throw withId(codeOf(error), error, outgoing.id);
    }
    forgotten.used(tx);
    inFlight += 1;
    return new Promise((resolve, reject) => {
      const never = { order: 0, topic: outgoing.topic, deadlineAt: null, signal: undefined };
      conclude({ ...never, outgoing, resolve, reject }, outcome);
    });
  }

  return {
    publish,
    flush: () =>
      inFlight === 0 ? Promise.resolve() : new Promise<void>((resolve) => idle.push(resolve)),
    roomMade: asking.roomMade,
    stopWaiting() {
      stopping = true;
      for (const pending of line.drain()) refuse(pending, stopped(pending.outgoing.id));
    },
    fail(error) {
      for (const pending of line.drain()) settleRejected(pending, error);
    },
  };
}

function codeOf(error: unknown): MaloteError['code'] {
  return error instanceof MaloteError ? error.code : 'ENGINE_FAILED';
}

function withId(code: MaloteError['code'], error: unknown, id: string): MaloteError {
  // An error of malote's own is the same error, now with an id: not the cause of itself.
  if (error instanceof MaloteError && error.code === code) {
    const { cause } = error;
    return new MaloteError(code, error.message, cause === undefined ? { id } : { id, cause });
  }
  const message = error instanceof Error ? error.message : String(error);
  return new MaloteError(code, message, { cause: error, id });
}

function stopped(id: string): MaloteError {
  const sentence = 'publish: the bus stopped while the message waited for room; nothing was stored';
  return new MaloteError('BUS_STOPPED', sentence, { id });
}

function transactionsMissing(): MaloteError {
  return new MaloteError(
    'CAPABILITY_MISSING',
    'publish: tx needs a store, or an engine, that is a database of the caller',
  );
}

function lockedByItself(error: MaloteError, id: string): MaloteError {
  const cure = 'if tx itself holds the lock, call bus.start(), or publish once, before it begins';
  return new MaloteError(error.code, `${error.message}; ${cure}`, { cause: error, id });
}

function queueFull(id: string, subscription: string): MaloteError {
  return new MaloteError(
    'QUEUE_FULL',
    `subscription "${subscription}" holds as many messages as its maxDepth; this one was not ` +
      'stored. Publish it again later, or pass wait; unsubscribe it if nobody consumes it any more',
    { id },
  );
}

function tooManyInFlight(id: string): MaloteError {
  return new MaloteError(
    'QUEUE_FULL',
    `publish: at most ${maxInFlight} calls may be unanswered at once; await earlier ones`,
    { id },
  );
}

function aborted(id: string, signal: AbortSignal): MaloteError {
  return new MaloteError('PUBLISH_ABORTED', 'publish: the signal was aborted; nothing was stored', {
    id,
    cause: signal.reason,
  });
}
