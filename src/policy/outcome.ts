/**
 * What becomes of a delivery: the one place where a failure turns into a retry or a death. Pure.
 *
 * | before the handler starts                        | then                                  |
 * | ------------------------------------------------ | ------------------------------------- |
 * | its facts did not come in time                   | dead, `dependency-timeout`            |
 * | it died alone in its process, attempts used up   | dead, `crashed`                       |
 * | another message may have been guilty             | it runs, even past its last attempt   |
 *
 * | the handler's failure                            | then                                  |
 * | ------------------------------------------------ | ------------------------------------- |
 * | asked for the dead letters                       | dead, `by-hand`                       |
 * | body fails its own schema                        | dead, `invalid`                       |
 * | on the give-up list                              | dead, `gave-up`                       |
 * | last attempt, by a time-out                      | dead, `timed-out`                     |
 * | last attempt                                     | dead, `attempts-exhausted`            |
 * | any other                                        | retried after {@link delayMs}         |
 */

import { isInstance } from '../errors.ts';
import type { DeadReason, Suspicion } from '../message/life.ts';
import { type Backoff, delayMs } from './backoff.ts';

/** A class of errors, as `giveUpOn` lists them. */
export type ErrorClass = abstract new (...args: never[]) => Error;

export interface RetryPolicy {
  /** Attempts in all: the first one counts, and so do crashes and time-outs. */
  readonly attempts: number;
  readonly backoff: Backoff;
  readonly giveUpOn: readonly ErrorClass[];
}

export type NextStep =
  | { readonly kind: 'retry'; readonly afterMs: number }
  | { readonly kind: 'dead-letter'; readonly reason: DeadReason };

export interface Arrival {
  readonly attempt: number;
  readonly suspicion: Suspicion;
  readonly waitTimedOut: boolean;
}

/** The reason to dead-letter a delivery without starting its handler, or null to start it. */
export function deadOnArrival(policy: RetryPolicy, arrival: Arrival): DeadReason | null {
  if (arrival.waitTimedOut) return 'dependency-timeout';
  const spent = arrival.attempt > policy.attempts;
  return spent && arrival.suspicion === 'alone' ? 'crashed' : null;
}

export interface FailedAttempt {
  readonly attempt: number;
  readonly error: unknown;
  readonly timedOut: boolean;
}

/** @param random - in [0, 1) */
export function afterFailure(policy: RetryPolicy, failed: FailedAttempt, random: number): NextStep {
  const { attempt, error, timedOut } = failed;
  if (policy.giveUpOn.some((kind) => isInstance(error, kind))) return dead('gave-up');
  if (attempt >= policy.attempts) return dead(timedOut ? 'timed-out' : 'attempts-exhausted');
  return { kind: 'retry', afterMs: delayMs(policy.backoff, attempt, random) };
}

function dead(reason: DeadReason): NextStep {
  return { kind: 'dead-letter', reason };
}
