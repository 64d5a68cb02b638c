/**
 * What a slot says at a moment, judged from what an engine keeps of it: the rules of freshness and
 * of what counts as an answer, in one place for all engines.
 */

import type { Failure } from '../message/life.ts';
import { lingerMs, type Reading, type Result } from './coordination.ts';

/** The hold of a slot, as an engine keeps it. Times are those of the engine's clock. */
export interface KeptHold {
  readonly token: number;
  readonly until: number;
}

/** What came of the loads of a slot, as an engine keeps it. */
export interface Kept {
  /** Of the hold that put the entry; 0: there is none. */
  readonly token: number;
  readonly value: string | null;
  readonly freshUntil: number;
  readonly keptUntil: number;
  readonly failure: Failure | null;
  /** Of the hold that failed. */
  readonly failedToken: number;
  readonly failedUntil: number;
  /** Nobody can want anything of it from here on. */
  readonly endsAt: number;
}

/** What is seen of a slot without taking it. */
export type Sight =
  | { readonly kind: 'free' }
  | { readonly kind: 'found'; readonly reading: Reading }
  | { readonly kind: 'held'; readonly token: number; readonly leftMs: number }
  /** The engine could not be asked at the moment. */
  | { readonly kind: 'unknown' };

export interface Moment {
  readonly now: number;
  /** The hold that was met first by who asks: what came of it is an answer. */
  readonly waitedFor: number | null;
}

const nothing: Reading = { entry: null, failure: null };

export function readingOf(kept: Kept | null, { now, waitedFor }: Moment): Reading {
  if (kept === null) return nothing;
  const { token, value, freshUntil, keptUntil, failure, failedUntil, failedToken, endsAt } = kept;
  const wasAwaited = (by: number): boolean => waitedFor !== null && by >= waitedFor && now < endsAt;
  // A value is never older than it may be, not even for who waited for it.
  const hasEntry = token > 0 && (now < keptUntil || (value === null && wasAwaited(token)));
  const hasFailure = failure !== null && (now < failedUntil || wasAwaited(failedToken));
  return {
    entry: hasEntry ? { value, isFresh: now < freshUntil } : null,
    failure: hasFailure ? failure : null,
  };
}

export function sightOf(hold: KeptHold | null, kept: Kept | null, moment: Moment): Sight {
  const reading = readingOf(kept, moment);
  const { waitedFor, now } = moment;
  const wasAwaited = waitedFor !== null && kept !== null && kept.token >= waitedFor;
  const isAnswer = reading.entry !== null && (reading.entry.isFresh || wasAwaited);
  if (isAnswer || reading.failure !== null) return { kind: 'found', reading };
  if (hold === null || hold.until <= now) return { kind: 'free' };
  return { kind: 'held', token: hold.token, leftMs: hold.until - now };
}

/** What is kept after a put, given what was kept before. */
export function keptAfter(before: Kept | null, token: number, result: Result, now: number): Kept {
  if (result.kind === 'entry') {
    const { value, freshMs, keptMs } = result;
    const keptUntil = now + keptMs;
    return {
      ...unmade,
      token,
      value,
      freshUntil: now + freshMs,
      keptUntil,
      endsAt: value === null ? Math.max(keptUntil, now + lingerMs) : keptUntil,
    };
  }
  const { failure, rememberedMs } = result;
  const failedUntil = now + rememberedMs;
  return {
    ...(before ?? unmade),
    failure,
    failedToken: token,
    failedUntil,
    endsAt: Math.max(before?.keptUntil ?? 0, failedUntil, now + lingerMs),
  };
}

const unmade: Kept = {
  token: 0,
  value: null,
  freshUntil: 0,
  keptUntil: 0,
  failure: null,
  failedToken: 0,
  failedUntil: 0,
  endsAt: 0,
};
