/**
 * The life of one delivery in this process, from its start to its settlement. Every way it can end
 * is here: the handler acts, the policy decides, the engine will apply.
 *
 *     dead on arrival? ─▶ read the body ─▶ handler ─▶ ack │ park │ retry │ release │ dead-letter
 *
 * What the handler answers after its attempt was concluded otherwise (time-out with the slot given
 * up, lease lost) changes nothing.
 */

import type { Clock } from '../clock.ts';
import { MaloteError } from '../errors.ts';
import type { DeadReason, Failure } from '../message/life.ts';
import { afterFailure, deadOnArrival, type RetryPolicy } from '../policy/outcome.ts';
import type { LinkedList, Links } from '../transport/linked-list.ts';
import type { Delivery, Settlement } from '../transport/transport.ts';
import type { Lane } from './buffer.ts';
import { AttemptContext, isLeave } from './context.ts';
import type { EnvelopeContext } from './envelope.ts';
import type { Events } from './events.ts';
import { failureOf, isThenable } from '../message/failure.ts';
import type { Logger } from './log.ts';
import type { Reading, Received } from './reader.ts';
import type { Transition } from './transition.ts';

/** One run of a delivery. */
export interface Attempt extends Links<Attempt> {
  readonly delivery: Delivery;
  readonly context: AttemptContext;
  /** The lane it is the head of; null without order, or once the lane is no longer ours. */
  lane: Lane | null;
  readonly startedAt: number;
  /** Why its outcome is already decided although the handler has not answered. */
  interruption: 'none' | 'timed-out' | 'lease-lost' | 'stopping';
  /** Concluded: whatever comes later is ignored. */
  over: boolean;
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
  readonly random: () => number;
  readonly clock: Clock;
  readonly events: Events;
  readonly logger: Logger;
  readonly envelope: EnvelopeContext;
  read(delivery: Delivery): Reading | Promise<Reading>;
  handle(message: Received, context: AttemptContext): unknown;
  /** Facts the consumer provides when it is done with the message. */
  provides(message: Received): readonly string[];
  /** Called once per attempt; null when there is nothing left to settle. */
  conclude(attempt: Attempt, settlement: Settlement | null): void;
}

/** How long a message that this worker is too old for rests before it is offered again. */
const newerWorkerMs = 5_000;

export interface Attempts {
  begin(delivery: Delivery, lane: Lane | null): Attempt;
  /** Settles an attempt as failed. */
  fail(attempt: Attempt, error: unknown): void;
  /** Settles an attempt as failed by its time-out, whatever its handler still does. */
  timeOut(attempt: Attempt): void;
  /** Gives an attempt back unspent, whatever its handler still does. */
  giveBack(attempt: Attempt): void;
}

export function createAttempts(options: AttemptOptions): Attempts {
  const { retry, random, clock, events, logger, envelope, conclude } = options;

  function begin(delivery: Delivery, lane: Lane | null): Attempt {
    const attempt: Attempt = {
      delivery,
      lane,
      context: new AttemptContext(delivery, logger, envelope),
      startedAt: events.heard ? clock.monotonic() : 0,
      interruption: 'none',
      over: false,
      list: null,
      start: notStarted,
      previous: null,
      next: null,
    };
    const reason = deadOnArrival(retry, delivery);
    if (reason !== null) {
      die(attempt, reason, arrivalFailures[reason] ?? null);
      return attempt;
    }
    const reading = options.read(delivery);
    if (reading instanceof Promise) reading.then((read) => proceed(attempt, read), rethrow);
    else proceed(attempt, reading);
    return attempt;
  }

  function proceed(attempt: Attempt, reading: Reading): void {
    if (attempt.over) return;
    if (attempt.interruption !== 'none') return interrupted(attempt);
    switch (reading.kind) {
      case 'read':
        return run(attempt, reading.message);
      case 'invalid':
        return die(attempt, 'invalid', failureOf(reading.error));
      case 'later':
        return release(attempt, newerWorkerMs, reading.why);
    }
  }

  function run(attempt: Attempt, message: Received): void {
    if (events.heard) {
      const { id, topic: type, subscription, attempt: number } = attempt.delivery;
      events.emit({ kind: 'started', id, type, subscription, attempt: number });
    }
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
    const { context } = attempt;
    if (context.decision !== null) return swallowed(attempt);
    if (isDecided(attempt)) return interrupted(attempt);
    const { sealing } = context;
    if (sealing !== null) {
      context.sealing = null;
      sealing.then(
        () => succeeded(attempt, message),
        (error: unknown) => failed(attempt, error),
      );
      return;
    }
    let opens: readonly string[];
    try {
      opens = options.provides(message);
    } catch (error) {
      return failed(attempt, error);
    }
    if (attempt.over) return;
    attempt.over = true;
    attempt.context.end();
    if (events.heard) {
      const durationMs = clock.monotonic() - attempt.startedAt;
      const { id, topic: type, subscription, attempt: number } = attempt.delivery;
      events.emit({ kind: 'acked', id, type, subscription, attempt: number, durationMs });
    }
    if (context.opened !== null) opens = [...opens, ...context.opened];
    const publish = context.staged ?? nothing;
    conclude(attempt, { kind: 'ack', delivery: attempt.delivery, opens, publish });
  }

  function failed(attempt: Attempt, error: unknown): void {
    if (attempt.context.decision !== null) {
      return isLeave(error) ? decided(attempt) : swallowed(attempt);
    }
    if (attempt.interruption !== 'none') return interrupted(attempt);
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
        const parked: Transition = { kind: 'parked', facts, ...about(attempt) };
        return end(attempt, { kind: 'park', delivery, facts }, parked);
      }
      case 'retry': {
        const failure = { name: 'RetryAsked', message: decision.reason };
        if (delivery.attempt >= retry.attempts) return die(attempt, 'attempts-exhausted', failure);
        return retryAfter(attempt, decision.afterMs, failure);
      }
      case 'dead-letter':
        return die(attempt, 'by-hand', { name: 'ByHand', message: decision.reason });
      case 'release':
        return release(attempt, decision.afterMs, 'asked');
    }
  }

  /** The handler answered after its time was up, its lease gone or its process asked to stop. */
  function interrupted(attempt: Attempt): void {
    switch (attempt.interruption) {
      case 'timed-out':
        return fail(attempt, timedOut(attempt), true);
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
    const failure = failureOf(error);
    const failedAttempt = { attempt: attempt.delivery.attempt, error, timedOut: isTimeout };
    const next = afterFailure(retry, failedAttempt, random());
    if (next.kind === 'retry') return retryAfter(attempt, next.afterMs, failure);
    die(attempt, next.reason, failure);
  }

  function retryAfter(attempt: Attempt, afterMs: number, failure: Failure): void {
    const { delivery } = attempt;
    const retried: Transition = { kind: 'retried', afterMs, failure, ...about(attempt) };
    end(attempt, { kind: 'retry', delivery, afterMs, failure }, retried);
  }

  function die(attempt: Attempt, reason: DeadReason, failure: Failure | null): void {
    const { delivery } = attempt;
    const dead: Transition = { kind: 'dead', reason, failure, ...about(attempt) };
    end(attempt, { kind: 'dead-letter', delivery, reason, failure }, dead);
  }

  function release(
    attempt: Attempt,
    afterMs: number,
    why: 'asked' | 'stopping' | 'newer-version' | 'unknown-type',
  ): void {
    const { delivery } = attempt;
    const released: Transition = { kind: 'released', why, ...about(attempt) };
    end(attempt, { kind: 'release', delivery, afterMs }, released);
  }

  function end(attempt: Attempt, settlement: Settlement, transition: Transition): void {
    if (attempt.over) return;
    attempt.over = true;
    attempt.context.end();
    events.emit(transition);
    conclude(attempt, settlement);
  }

  return {
    begin,
    fail: (attempt, error) => fail(attempt, error, false),
    timeOut: (attempt) => fail(attempt, timedOut(attempt), true),
    giveBack: (attempt) => release(attempt, 0, 'stopping'),
  };
}

/** Whether success comes too late: a handler that is done although asked to stop has succeeded. */
function isDecided({ interruption }: Attempt): boolean {
  return interruption === 'timed-out' || interruption === 'lease-lost';
}

const nothing: readonly never[] = [];
const notStarted: Start = { at: 0 };

const arrivalFailures: Partial<Record<DeadReason, Failure>> = {
  'dependency-timeout': { name: 'DependencyTimeout', message: 'its facts did not come in time' },
  crashed: { name: 'Crashed', message: 'its process died while it ran, alone' },
};

function timedOut({ delivery }: Attempt): MaloteError {
  return new MaloteError('TIMED_OUT', `attempt ${delivery.attempt} took longer than its time-out`, {
    id: delivery.id,
  });
}

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
