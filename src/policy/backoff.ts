/**
 * How long a failed message rests before its next attempt. Pure: the caller brings the random
 * number, so that every schedule is tested by equality, and a delay depends on the attempt alone.
 *
 *     attempt failed   1       2         3          4
 *     fixed            every   every     every      every
 *     linear           step    2 step    3 step     4 step    … up to max
 *     exponential      base    2 base    4 base     8 base    … up to max
 *
 * Jitter spreads messages that failed together: `full` draws between 0 and the figure above,
 * `equal` between half of it and all of it, `none` takes it as it is. Full jitter needs the
 * fewest calls in all (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
 */

import { optionInvalid } from '../errors.ts';
import { checkNames } from '../message/checks.ts';
import { type Duration, toMs } from '../message/duration.ts';

export type Jitter = 'none' | 'full' | 'equal';

export interface Backoff {
  readonly kind: 'fixed' | 'linear' | 'exponential';
  readonly stepMs: number;
  readonly maxMs: number;
  readonly factor: number;
  readonly jitter: Jitter;
}

export interface BackoffOptions {
  /** No delay is longer. @defaultValue '1h' */
  readonly max?: Duration;
  /** @defaultValue 'full' for exponential, otherwise 'none' */
  readonly jitter?: Jitter;
}

/** `base`, then `factor` (2) times as long after every failure. */
export function exponential(
  base: Duration,
  options: BackoffOptions & { readonly factor?: number } = {},
): Backoff {
  checkNames('exponential', options, ['max', 'jitter', 'factor']);
  const { factor = 2 } = options;
  if (!(factor >= 1 && factor <= 100)) {
    throw optionInvalid('exponential: factor', 'a number from 1 to 100', factor);
  }
  return backoff('exponential', base, { jitter: 'full', ...options, factor });
}

/** `step` after the first failure, two of them after the second, and so on. */
export function linear(step: Duration, options: BackoffOptions = {}): Backoff {
  return backoff('linear', step, options);
}

/** The same delay after every failure. */
export function fixed(every: Duration, options: BackoffOptions = {}): Backoff {
  return backoff('fixed', every, options);
}

function backoff(
  kind: Backoff['kind'],
  step: Duration,
  options: BackoffOptions & { readonly factor?: number },
): Backoff {
  const known = kind === 'exponential' ? ['max', 'jitter', 'factor'] : ['max', 'jitter'];
  checkNames(kind, options, known);
  const { max = '1h', jitter = 'none', factor = 1 } = options;
  if (!jitters.includes(jitter)) {
    throw optionInvalid(`${kind}: jitter`, '"none", "full" or "equal"', jitter);
  }
  const stepMs = toMs(step, `${kind}: delay`);
  return Object.freeze({ kind, stepMs, maxMs: toMs(max, `${kind}: max`), factor, jitter });
}

/** For callers without a compiler: a schedule whose every delay is a number. */
export function isBackoff(value: unknown): value is Backoff {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, stepMs, maxMs, factor, jitter } = value as Partial<Backoff>;
  const numbers = [stepMs, maxMs, factor].every((number) => Number.isFinite(number));
  return numbers && kinds.includes(kind) && jitters.includes(jitter);
}

const kinds: readonly unknown[] = ['fixed', 'linear', 'exponential'] satisfies Backoff['kind'][];
const jitters: readonly unknown[] = ['none', 'full', 'equal'] satisfies Jitter[];

/** @param attempt - the attempt that failed, from 1. @param random - in [0, 1) */
export function delayMs(schedule: Backoff, attempt: number, random: number): number {
  const ceilingMs = Math.min(growth(schedule, attempt), schedule.maxMs);
  switch (schedule.jitter) {
    case 'none':
      return ceilingMs;
    case 'full':
      return Math.floor(ceilingMs * random);
    case 'equal':
      return Math.floor((ceilingMs / 2) * (1 + random));
  }
}

function growth({ kind, stepMs, factor }: Backoff, attempt: number): number {
  switch (kind) {
    case 'fixed':
      return stepMs;
    case 'linear':
      return stepMs * attempt;
    case 'exponential':
      return stepMs * factor ** (attempt - 1);
  }
}
