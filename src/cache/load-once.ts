/**
 * One load under a hold: the loader runs, its result is put, or what prevented that is said. The hold
 * is kept meanwhile; where it is lost the loader is told to stop and its result is worth nothing.
 */

import type { Clock } from '../clock.ts';
import { MaloteError } from '../errors.ts';
import { keepHold } from '../lock/keep-hold.ts';
import { failureOf } from '../message/failure.ts';
import { type BodyLimits, encode } from '../message/json.ts';
import type { Coordination, Hold, Result } from '../transport/coordination.ts';
import type { CacheEvent, LoadContext } from './cache.ts';
import type { CacheSettings } from './options.ts';

export interface Loading {
  readonly coordination: Coordination;
  readonly settings: CacheSettings;
  readonly limits: BodyLimits;
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly random: () => number;
  /** Loads that are under way, to be told when the bus stops. */
  readonly running: Set<AbortController>;
  load(context: LoadContext): unknown;
  emit(event: CacheEvent): void;
}

/** What callers get; null: the hold was lost, what came of the load is worth nothing. */
export type Loaded =
  | { readonly kind: 'entry'; readonly value: string | null }
  | { readonly kind: 'failed'; readonly error: MaloteError }
  | null;

export async function loadOnce(hold: Hold, loading: Loading): Promise<Loaded> {
  const { clock, settings, running } = loading;
  const controller = new AbortController();
  const abort = (code: 'LOCK_LOST' | 'TIMED_OUT', why: string): void =>
    controller.abort(new MaloteError(code, `${whereOf(hold, settings)} ${why}`));
  const keeper = keepHold(hold, {
    coordination: loading.coordination,
    clock,
    leaseMs: settings.leaseMs,
    lost: () => abort('LOCK_LOST', 'was taken over by another process'),
  });
  const late = clock.setTimer(
    () => abort('TIMED_OUT', `took longer than its time-out of ${settings.timeoutMs} ms`),
    settings.timeoutMs,
  );
  running.add(controller);
  try {
    return await loadAndPut(hold, loading, controller.signal);
  } finally {
    running.delete(controller);
    late.cancel();
    keeper.stop();
  }
}

async function loadAndPut(hold: Hold, loading: Loading, signal: AbortSignal): Promise<Loaded> {
  const { coordination, clock, settings, emit } = loading;
  const { token, slot } = hold;
  const about = { cache: settings.name, key: slot.key, token };
  const startedAt = clock.monotonic();
  const came = await cameOf(hold, loading, signal);
  if (came.kind === 'lost' || !(await coordination.put(hold, resultOf(came, loading)))) {
    emit({ kind: 'cache-refused', ...about });
    return null;
  }
  if (came.kind === 'value') {
    emit({ kind: 'cache-loaded', ...about, durationMs: clock.monotonic() - startedAt });
    return { kind: 'entry', value: came.text };
  }
  emit({ kind: 'cache-failed', ...about, failure: failureOf(came.error) });
  return { kind: 'failed', error: loadFailed(settings.name, slot.key, came.error) };
}

type Came =
  | { readonly kind: 'value'; readonly text: string | null }
  | { readonly kind: 'error'; readonly error: unknown }
  | { readonly kind: 'lost' };

async function cameOf(hold: Hold, loading: Loading, signal: AbortSignal): Promise<Came> {
  const { settings, limits, load } = loading;
  try {
    const loadingNow = Promise.resolve(load({ signal, token: hold.token }));
    const value = await unlessAborted(loadingNow, signal);
    const isNone = value === undefined;
    return { kind: 'value', text: isNone ? null : encode(value, whereOf(hold, settings), limits) };
  } catch (error) {
    if (signal.aborted && error === signal.reason) {
      const { code } = error as MaloteError;
      if (code === 'LOCK_LOST') return { kind: 'lost' };
      // Whoever stopped the bus said why.
      if (code !== 'TIMED_OUT') throw error;
    }
    return { kind: 'error', error };
  }
}

function resultOf(
  came: Exclude<Came, { readonly kind: 'lost' }>,
  { settings, random }: Loading,
): Result {
  const { ttlMs, staleMs, noneMs, errorsMs, maxEntries: mostEntries } = settings;
  if (came.kind === 'error') {
    const failure = failureOf(came.error);
    return { kind: 'failure', failure, rememberedMs: errorsMs, mostEntries };
  }
  if (came.text === null) {
    return { kind: 'entry', value: null, freshMs: noneMs, keptMs: noneMs, mostEntries };
  }
  // Values that were loaded together are not all refreshed together; none is kept for longer.
  const spreadMs = Math.floor(random() * Math.min(staleMs, ttlMs * spread));
  const keptMs = ttlMs + staleMs;
  return { kind: 'entry', value: came.text, freshMs: ttlMs + spreadMs, keptMs, mostEntries };
}

/** The part of `ttl` by which the end of freshness varies, within `stale`. */
const spread = 0.1;

/** What a load that is told to stop does afterwards is nobody's any more. */
function unlessAborted<Value>(loading: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    loading.then(resolve, reject);
  });
}

function whereOf({ slot }: Hold, { name }: CacheSettings): string {
  return `cache "${name}": loading "${slot.key}"`;
}

/** @param error - what was thrown here, or what is known of what was thrown elsewhere */
export function loadFailed(cache: string, key: string, error: unknown): MaloteError {
  const { name, message } = failureOf(error);
  const sentence = `cache "${cache}": loading "${key}" failed with ${name}: ${message}`;
  return new MaloteError('CACHE_LOAD_FAILED', sentence, { cause: error });
}
