/**
 * One load under a hold: the loader runs, its result is put, or what prevented that is said. The
 * hold is kept meanwhile; where it is lost the loader is told to stop and its result is worth
 * nothing.
 */

import { elapsedMs, type Clock } from '../clock.ts';
import { type ErrorCode, MaloteError } from '../errors.ts';
import { keepHold } from '../lock/keep-hold.ts';
import { failureOf } from '../message/failure.ts';
import { type BodyLimits, encode } from '../message/json.ts';
import type { Coordination, Hold, Result, Slot } from '../transport/coordination.ts';
import type { CacheEvent, LoadContext } from './cache.ts';
import type { CacheSettings } from './options.ts';

export interface Loading {
  readonly coordination: Coordination;
  readonly settings: CacheSettings;
  readonly limits: BodyLimits;
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly running: Running;
  load(context: LoadContext): unknown;
  emit(event: CacheEvent): void;
}

/** A load without the engine needs less. */
export type LoadingAlone = Omit<Loading, 'coordination' | 'random'>;

type Held = Pick<Hold, 'slot' | 'token'>;

/** Loads that are under way, told when the bus stops; one that comes after is told at once. */
export interface Running {
  add(controller: AbortController): void;
  delete(controller: AbortController): void;
}

/** What callers get; null: the hold was lost, and what came of the load is worth nothing. */
export type Loaded =
  | { readonly kind: 'entry'; readonly value: string | null }
  | { readonly kind: 'failed'; readonly error: MaloteError }
  | null;

export async function loadOnce(hold: Hold, loading: Loading): Promise<Loaded> {
  const { clock, settings, coordination } = loading;
  return await withSignal(hold, loading, async (signal, abort) => {
    const keeper = keepHold(hold, {
      coordination,
      clock,
      leaseMs: settings.leaseMs,
      lost: () => abort('LOCK_LOST', 'was taken over by another process'),
    });
    try {
      return await loadAndPut(hold, loading, signal);
    } catch (error) {
      // Nothing was kept. Whoever comes next need not wait for the lease to end.
      coordination.release(hold).catch(() => false);
      throw error;
    } finally {
      keeper.stop();
    }
  });
}

/** A load that the engine does not know of: it keeps nobody from loading, and nobody keeps it. */
export async function loadAlone(slot: Slot, loading: LoadingAlone): Promise<Loaded> {
  const hold = { slot, token: 0 };
  const startedAt = loading.clock.monotonic();
  const came = await withSignal(hold, loading, (signal) => cameOf(hold, loading, signal));
  return came.kind === 'lost' ? null : tell(came, hold, { ...loading, startedAt });
}

type Abort = (code: 'LOCK_LOST' | 'TIMED_OUT', why: string) => void;

/** Runs something with a signal that tells of the time-out, of a stop, and of what it finds. */
async function withSignal<Answer>(
  hold: Held,
  { clock, settings, running }: LoadingAlone,
  run: (signal: AbortSignal, abort: Abort) => Promise<Answer>,
): Promise<Answer> {
  const controller = new AbortController();
  const abort: Abort = (code, why) =>
    controller.abort(new MaloteError(code, `${whereOf(hold, settings)} ${why}`));
  const late = clock.setTimer(
    () => abort('TIMED_OUT', `took longer than its time-out of ${settings.timeoutMs} ms`),
    settings.timeoutMs,
  );
  running.add(controller);
  try {
    return await run(controller.signal, abort);
  } finally {
    running.delete(controller);
    late.cancel();
  }
}

async function loadAndPut(hold: Hold, loading: Loading, signal: AbortSignal): Promise<Loaded> {
  const startedAt = loading.clock.monotonic();
  const came = await cameOf(hold, loading, signal);
  if (came.kind === 'lost' || !(await isPut(hold, came, loading))) {
    loading.emit({ kind: 'cache-refused', ...aboutOf(hold, loading.settings) });
    return null;
  }
  return tell(came, hold, { ...loading, startedAt });
}

/** Whether it counts: kept, or, where the engine is down and that is wanted, without being kept. */
async function isPut(hold: Hold, came: Known, loading: Loading): Promise<boolean> {
  const { coordination, settings } = loading;
  try {
    return await coordination.put(hold, resultOf(came, loading));
  } catch (error) {
    if (!settings.loadsAlone || !isDown(error)) throw error;
    coordination.release(hold).catch(() => false);
    return true;
  }
}

function tell(
  came: Known,
  hold: Held,
  { settings, clock, startedAt, emit }: LoadingAlone & { readonly startedAt: number },
): NonNullable<Loaded> {
  const about = aboutOf(hold, settings);
  if (came.kind === 'value') {
    emit({ kind: 'cache-loaded', ...about, durationMs: elapsedMs(clock, startedAt) });
    return { kind: 'entry', value: came.text };
  }
  emit({ kind: 'cache-failed', ...about, failure: failureOf(came.error) });
  return { kind: 'failed', error: loadFailed(settings.name, hold.slot.key, came.error) };
}

function aboutOf({ slot, token }: Held, { name }: CacheSettings) {
  return { cache: name, key: slot.key, token };
}

type Known = Exclude<Came, { readonly kind: 'lost' }>;

type Came =
  | { readonly kind: 'value'; readonly text: string | null }
  | { readonly kind: 'error'; readonly error: unknown }
  | { readonly kind: 'lost' };

async function cameOf(hold: Held, loading: LoadingAlone, signal: AbortSignal): Promise<Came> {
  const { settings, limits, load } = loading;
  try {
    signal.throwIfAborted();
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

function resultOf(came: Known, { settings, random }: Loading): Result {
  const { ttlMs, staleMs, noneMs, errorsMs, maxEntries: mostEntries } = settings;
  if (came.kind === 'error') {
    const { name, message } = failureOf(came.error);
    return { kind: 'failure', failure: { name, message }, rememberedMs: errorsMs, mostEntries };
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

function whereOf({ slot }: Held, { name }: CacheSettings): string {
  return `cache "${name}": loading "${slot.key}"`;
}

/** Whether the engine cannot be asked now, which is no mistake of whoever asks. */
export function isDown(error: unknown): boolean {
  return error instanceof MaloteError && down.includes(error.code);
}

const down: readonly ErrorCode[] = [
  'ENGINE_BUSY',
  'ENGINE_CORRUPT',
  'ENGINE_FAILED',
  'ENGINE_FULL',
  'ENGINE_GONE',
  'ENGINE_READ_ONLY',
  'ENGINE_UNREACHABLE',
];

/** @param error - what was thrown here, or what is known of what was thrown elsewhere */
export function loadFailed(cache: string, key: string, error: unknown): MaloteError {
  const { name, message } = failureOf(error);
  const sentence = `cache "${cache}": loading "${key}" failed with ${name}: ${message}`;
  return new MaloteError('CACHE_LOAD_FAILED', sentence, { cause: error });
}
