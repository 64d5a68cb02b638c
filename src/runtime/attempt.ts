/**
 * The life of one delivery in this process, from its start to its settlement. Every way it can end
 * is here: the handler acts, the policy decides, the engine will apply.
 *
 *     dead on arrival? ─▶ read the body ─▶ handler ─▶ ack │ park │ retry │ release │ dead-letter
 *
 * What the handler answers after its attempt was concluded otherwise (time-out with the slot given
 * up, lease lost) changes nothing.
 */

import { elapsedMs, type Clock } from '../clock.ts';
import { isInstance, MaloteError } from '../errors.ts';
import type { DeadReason, Failure } from '../message/life.ts';
import { afterFailure, deadOnArrival, type RetryPolicy } from '../policy/outcome.ts';
import type { LinkedList, Links } from '../transport/linked-list.ts';
import type { Delivery, FactId, Settlement } from '../transport/transport.ts';
import type { Lane } from './buffer.ts';
import { commit, type Committing, type StoredEffect } from './commit.ts';
import { AttemptContext, isLeave } from './context.ts';
import type { EnvelopeContext } from './envelope.ts';
import type { Events } from './events.ts';
import { shownNeeds } from '../message/need.ts';
import { failureOf, isThenable, ownFailureOf } from '../message/failure.ts';
import type { Inbox } from './inbox.ts';
import type { Logger } from './log.ts';
import { byHand, crashed, retryAsked, timedOut, waitedInVain } from './own-failures.ts';
import type { Reading, Received } from './reader.ts';
import type { ReleaseReason, Transition } from './transition.ts';

/** One run of a delivery. */
export interface Attempt extends Links<Attempt>, Committing {
  /** The lane it is the head of; null without order, or once the lane is no longer ours. */
  lane: Lane | null;
  /** Whether its handler was called: only then it is spent. */
  isBegun: boolean;
  /** Monotonic; while nobody hears the ordinary, that of the first that began in the same go. */
  readonly startedAt: number;
  /** Where its deadline is kept, while it runs. */
  list: LinkedList<Attempt> | null;
  /** The start it shares with those that started in one go. */
  start: Start;
}

/** An instant in monotonic milliseconds, known once all have started. */
export interface Start {
  at: number;
}

export interface AttemptOptions {
  readonly retry: RetryPolicy;
  readonly timeoutMs: number;
  readonly random: () => number;
  readonly clock: Clock;
  readonly events: Events;
  readonly logger: Logger;
  readonly envelope: EnvelopeContext;
  read(delivery: Delivery): Reading | Promise<Reading>;
  handle(message: Received, context: AttemptContext): unknown;
  /** Facts the consumer provides when it is done with the message. */
  provides(message: Received): readonly string[];
  readonly inbox: Inbox | null;
  isStopping(): boolean;
  /** Called once per attempt; null when there is nothing left to settle, or it is acked already. */
  conclude(attempt: Attempt, settlement: Settlement | 'acked' | null): void;
}

/** How long a message that this worker is too old for rests before it is offered again. */
const newerWorkerMs = 5_000;
/** How long a message rests whose inbox cannot be asked. */
const unreachableMs = 1_000;

export interface Attempts {
  /** @param goAt - when the first began of those that begin in the same turn, monotonic */
  begin(delivery: Delivery, lane: Lane | null, goAt: number): Attempt;
  /** Settles an attempt as failed. */
  fail(attempt: Attempt, error: unknown): void;
  /** Settles an attempt as failed by its time-out, whatever its handler still does. */
  timeOut(attempt: Attempt): void;
  /** Gives an attempt back unspent, whatever its handler still does. */
  giveBack(attempt: Attempt): void;
}

export function createAttempts(options: AttemptOptions): Attempts {
  const { retry, timeoutMs, random, clock, events, logger, envelope, inbox, conclude } = options;

  function begin(delivery: Delivery, lane: Lane | null, goAt: number): Attempt {
    const attempt: Attempt = {
      delivery,
      lane,
      context: new AttemptContext(delivery, logger, envelope),
      isBegun: false,
      startedAt: events.heard ? clock.monotonic() : goAt,
      interruption: 'none',
      effect: null,
      over: false,
      list: null,
      start: notStarted,
      previous: null,
      next: null,
    };
    const reason = deadOnArrival(retry, delivery);
    if (reason !== null) {
      die(attempt, reason, reason === 'crashed' ? crashed : waitedInVain(delivery));
      return attempt;
    }
    if (inbox === null) open(attempt);
    else void lookUp(attempt, inbox);
    return attempt;
  }

  async function lookUp(attempt: Attempt, { recall }: Inbox): Promise<void> {
    try {
      const known = await recall(attempt.delivery);
      if (known === null) return open(attempt);
      attempt.effect = { kind: 'known', opens: known.opens };
    } catch (error) {
      const code = error instanceof MaloteError ? error.code : 'ENGINE_FAILED';
      events.emit({ kind: 'engine-trouble', code, message: String(error) });
      return release(attempt, unreachableMs, 'inbox-unreachable');
    }
    concludeEffect(attempt, attempt.effect);
  }

  function open(attempt: Attempt): void {
    const reading = options.read(attempt.delivery);
    if (reading instanceof Promise) reading.then((read) => proceed(attempt, read), rethrow);
    else proceed(attempt, reading);
  }

  function proceed(attempt: Attempt, reading: Reading): void {
    if (attempt.over) return;
    if (attempt.interruption !== 'none') return interrupted(attempt);
    switch (reading.kind) {
      case 'read':
        return run(attempt, reading.message);
      case 'invalid':
        return die(attempt, 'invalid', ownFailureOf(reading.error));
      case 'later':
        return release(attempt, newerWorkerMs, reading.why);
    }
  }

  function run(attempt: Attempt, message: Received): void {
    if (events.heard) {
      const { id, topic: type, subscription, attempt: number } = attempt.delivery;
      events.emit({ kind: 'started', id, type, subscription, attempt: number });
    }
    if (inbox !== null) attempt.context.commit = committing(attempt, inbox, message);
    attempt.isBegun = true;
    let answer: unknown;
    try {
      answer = options.handle(message, attempt.context);
      if (isThenable(answer)) {
        // A foreign `then` may throw, or answer twice; a promise of the language does neither.
        const settled = answer instanceof Promise ? answer : Promise.resolve(answer);
        settled.then(
          () => succeeded(attempt, message),
          (error: unknown) => failed(attempt, error),
        );
        return;
      }
    } catch (error) {
      return failed(attempt, error);
    }
    succeeded(attempt, message);
  }

  function succeeded(attempt: Attempt, message: Received): void {
    const { context, effect } = attempt;
    if (effect !== null) return concludeEffect(attempt, effect);
    if (context.decision !== null) return swallowed(attempt);
    if (isDecided(attempt)) return interrupted(attempt);
    const pending = context.sealing ?? context.committing;
    if (pending !== null) {
      context.sealing = null;
      pending.then(
        () => succeeded(attempt, message),
        (error: unknown) => failed(attempt, error),
      );
      return;
    }
    if (inbox !== null) return void store(attempt, inbox, message);
    let opens: readonly string[];
    try {
      opens = opensOf(attempt, message);
    } catch (error) {
      return failed(attempt, error);
    }
    if (attempt.over) return;
    attempt.over = true;
    attempt.context.end();
    tellAcked(attempt);
    const publish = context.staged ?? nothing;
    conclude(attempt, { kind: 'ack', delivery: attempt.delivery, opens, publish });
  }

  function opensOf({ context }: Attempt, message: Received): readonly FactId[] {
    const opens = options.provides(message);
    return context.opened === null ? opens : [...opens, ...context.opened];
  }

  function tellAcked(attempt: Attempt): void {
    if (events.heard) events.emit({ kind: 'acked', ...ended(attempt) });
  }

  function ended(attempt: Attempt): ReturnType<typeof about> & { readonly durationMs: number } {
    return { ...about(attempt), durationMs: elapsedMs(clock, attempt.startedAt) };
  }

  function committing(
    attempt: Attempt,
    into: Inbox,
    message: Received,
  ): (work: (inside: never) => unknown) => Promise<unknown> {
    const opens = (): readonly FactId[] => opensOf(attempt, message);
    return (work) =>
      commit(attempt, {
        inbox: into,
        envelope,
        work: (inside) => work(inside as never),
        opens,
      });
  }

  /** The handler has not asked for a transaction: that it is done is stored by itself. */
  async function store(attempt: Attempt, into: Inbox, message: Received): Promise<void> {
    try {
      await committing(attempt, into, message)(() => undefined);
    } catch (error) {
      return failed(attempt, error);
    }
    if (attempt.effect !== null) concludeEffect(attempt, attempt.effect);
  }

  /** The message is done, or somebody else's: what its handler did since changes nothing. */
  function concludeEffect(attempt: Attempt, { kind, opens }: StoredEffect): void {
    if (attempt.over) return;
    attempt.over = true;
    attempt.context.end();
    const { delivery, interruption } = attempt;
    if (kind === 'fenced') events.emit({ kind: 'lease-lost', ...about(attempt) });
    if (kind === 'known') events.emit({ kind: 'skipped', ...about(attempt) });
    if (kind === 'stored') tellAcked(attempt);
    if (kind === 'fenced' || interruption === 'lease-lost') return conclude(attempt, null);
    if (kind === 'stored' && inbox?.acks === true) return conclude(attempt, 'acked');
    conclude(attempt, { kind: 'ack', delivery, opens, publish: nothing });
  }

  function failed(attempt: Attempt, error: unknown): void {
    const { effect } = attempt;
    if (effect !== null) {
      const failure = failureOf(error);
      const isLate = effect.kind === 'stored' && !attempt.over;
      if (isLate) events.emit({ kind: 'failed-after-commit', ...about(attempt), failure });
      return concludeEffect(attempt, effect);
    }
    if (attempt.context.decision !== null) {
      return isLeave(error) ? decided(attempt) : swallowed(attempt);
    }
    if (attempt.interruption !== 'none') return interrupted(attempt);
    // A publish of the handler that waited for room is refused by a stop: not its message's fault.
    if (options.isStopping() && isBusStopped(error)) return release(attempt, 0, 'stopping');
    fail(attempt, error, false);
  }

  /**
   * The handler went on after `ctx` threw. What it asked for is done, what it staged is dropped.
   */
  function swallowed(attempt: Attempt): void {
    if (!attempt.over) events.emit({ kind: 'wait-swallowed', ...about(attempt) });
    decided(attempt);
  }

  function decided(attempt: Attempt): void {
    const { delivery, context } = attempt;
    const decision = context.decision!;
    switch (decision.kind) {
      case 'park': {
        const { facts } = decision;
        const parked: Transition = { kind: 'parked', ...ended(attempt), facts: shownNeeds(facts) };
        return end(attempt, { kind: 'park', delivery, facts }, parked);
      }
      case 'retry': {
        const failure = retryAsked(decision.reason);
        if (delivery.attempt >= retry.attempts) return die(attempt, 'attempts-exhausted', failure);
        return retryAfter(attempt, decision.afterMs, failure);
      }
      case 'dead-letter':
        return die(attempt, 'by-hand', byHand(decision.reason));
      case 'release':
        return release(attempt, decision.afterMs, 'asked');
    }
  }

  /** The handler answered after its time was up, its lease gone or its process asked to stop. */
  function interrupted(attempt: Attempt): void {
    switch (attempt.interruption) {
      case 'timed-out':
        return fail(attempt, timedOut(attempt.delivery, timeoutMs), true);
      case 'stopping':
        // It was told to stop: giving up then is not the message's fault.
        return release(attempt, 0, 'stopping');
      case 'lease-lost':
      case 'none':
        if (attempt.over) return;
        attempt.over = true;
        attempt.context.end();
        return conclude(attempt, null);
    }
  }

  function fail(attempt: Attempt, error: unknown, isTimeout: boolean): void {
    const failure = isTimeout ? ownFailureOf(error) : failureOf(error);
    const failedAttempt = { attempt: attempt.delivery.attempt, error, timedOut: isTimeout };
    const next = afterFailure(retry, failedAttempt, random());
    if (next.kind === 'retry') return retryAfter(attempt, next.afterMs, failure);
    die(attempt, next.reason, failure);
  }

  function retryAfter(attempt: Attempt, afterMs: number, failure: Failure): void {
    const { delivery } = attempt;
    const retried: Transition = { kind: 'retried', ...ended(attempt), afterMs, failure };
    end(attempt, { kind: 'retry', delivery, afterMs, failure }, retried);
  }

  function die(attempt: Attempt, reason: DeadReason, failure: Failure | null): void {
    const { delivery, isBegun } = attempt;
    const spent = isBegun ? delivery.attempt : delivery.attempt - 1;
    const dead: Transition = { kind: 'dead', ...ended(attempt), attempt: spent, reason, failure };
    end(attempt, { kind: 'dead-letter', delivery, reason, failure, attempts: spent }, dead);
  }

  function release(attempt: Attempt, afterMs: number, why: ReleaseReason): void {
    const { delivery } = attempt;
    const released: Transition = { kind: 'released', ...about(attempt), why };
    end(attempt, { kind: 'release', delivery, afterMs }, released);
  }

  function end(attempt: Attempt, settlement: Settlement, transition: Transition): void {
    if (attempt.effect !== null) return concludeEffect(attempt, attempt.effect);
    if (attempt.over) return;
    attempt.over = true;
    attempt.context.end();
    events.emit(transition);
    conclude(attempt, settlement);
  }

  return {
    begin,
    fail: (attempt, error) => fail(attempt, error, false),
    timeOut: (attempt) => fail(attempt, timedOut(attempt.delivery, timeoutMs), true),
    giveBack: (attempt) => release(attempt, 0, 'stopping'),
  };
}

/** Whether success comes too late: a handler that is done although asked to stop has succeeded. */
function isDecided({ interruption }: Attempt): boolean {
  return interruption === 'timed-out' || interruption === 'lease-lost';
}

const nothing: readonly never[] = [];
const notStarted: Start = { at: 0 };

function about({ delivery }: Attempt): {
  id: string;
  type: string;
  subscription: string;
  attempt: number;
} {
  const { id, topic, subscription, attempt } = delivery;
  return { id, type: topic, subscription, attempt };
}

/** Reading never rejects; were it to, hiding it would hide a fault of malote's own. */
function rethrow(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

function isBusStopped(error: unknown): boolean {
  return isInstance(error, MaloteError) && error.code === 'BUS_STOPPED';
}
