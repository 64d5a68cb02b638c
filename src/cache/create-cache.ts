/**
 * `bus.cache`: a value per key, loaded by one process for all.
 *
 * Callers of one process share one *flight* per key: it waits for the value or loads it. Where that
 * brought nothing, because an invalidation or a late return made the load worthless, its callers
 * start another one. A stale value is handed out at once, and a flight refreshes it behind that.
 */

import type { Clock } from '../clock.ts';
import { MaloteError } from '../errors.ts';
import { waitAborted } from '../lock/create-locks.ts';
import { checkNames, checkSignal } from '../message/checks.ts';
import { type BodyLimits, decode } from '../message/json.ts';
import type { Failure } from '../message/life.ts';
import { checkKey } from '../message/names.ts';
import type { Coordination, Reading, Slot } from '../transport/coordination.ts';
import type { Cache, CacheEvent, CacheOptions, LoadContext } from './cache.ts';
import { isDown, loadAlone, type Loaded, loadFailed, loadOnce, type Running } from './load-once.ts';
import { resolveCache } from './options.ts';

export interface CachesOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly limits: BodyLimits;
  open(): Promise<Coordination>;
  emit(event: CacheEvent): void;
}

export interface Caches {
  cache<Key, Value>(name: string, options: CacheOptions<Key, Value>): Cache<Key, Value>;
  /** Tells loads that are under way. */
  stop(error: MaloteError): void;
}

/** What a flight brought; null: nothing. */
type Outcome = Loaded;

export function createCaches(options: CachesOptions): Caches {
  const controllers = new Set<AbortController>();
  const names = new Set<string>();
  let ended: MaloteError | null = null;
  const running: Running = {
    add(controller) {
      if (ended !== null) controller.abort(ended);
      controllers.add(controller);
    },
    delete: (controller) => void controllers.delete(controller),
  };
  return {
    cache(name, given) {
      const made = createCache(name, given, { ...options, running });
      if (names.has(name)) throw taken(name);
      names.add(name);
      return made;
    },
    stop(error) {
      ended ??= error;
      for (const controller of controllers) controller.abort(error);
    },
  };
}

interface CacheParts extends CachesOptions {
  readonly running: Running;
}

function createCache<Key, Value>(
  name: string,
  given: CacheOptions<Key, Value>,
  parts: CacheParts,
): Cache<Key, Value> {
  const settings = resolveCache(name, given);
  const { clock, limits, open, emit } = parts;
  const { leaseMs, waitMs } = settings;
  const flights = new Map<string, Promise<Outcome>>();
  const slotOf = (text: string): Slot => ({ space: `cache:${name}`, key: text });

  function textOf(key: Key): string {
    return checkKey(given.key === undefined ? key : given.key(key), `cache "${name}": key`);
  }

  function decoded(text: string, value: string | null): Value {
    if (value === null) return undefined as Value;
    return decode(value, `cache "${name}": the value of "${text}"`, limits) as Value;
  }

  /** Null where the engine is down, and callers are to have a value all the same. */
  async function unlessDown<Answer>(asking: () => Promise<Answer>): Promise<Answer | null> {
    try {
      return await asking();
    } catch (error) {
      if (settings.loadsAlone && isDown(error)) return null;
      throw error;
    }
  }

  /** Waits for an answer, or loads one. */
  async function obtain(
    coordination: Coordination | null,
    key: Key,
    text: string,
  ): Promise<Outcome> {
    const slot = slotOf(text);
    const load = (context: LoadContext): unknown => given.load(key, context);
    const asked = { slot, leaseMs, waitMs, signal: null };
    const acquired =
      coordination === null ? null : await unlessDown(() => coordination.acquire(asked));
    if (coordination === null || acquired === null) {
      return await loadAlone(slot, { ...parts, settings, load });
    }
    if (acquired.kind === 'timed-out') return null;
    if (acquired.kind === 'found') return outcomeOf(name, text, acquired.reading);
    return await loadOnce(acquired.hold, { ...parts, coordination, settings, load });
  }

  function flightOf(coordination: Coordination | null, key: Key, text: string): Promise<Outcome> {
    const known = flights.get(text);
    if (known !== undefined) return known;
    const flight = obtain(coordination, key, text).finally(() => {
      if (flights.get(text) === flight) flights.delete(text);
    });
    flights.set(text, flight);
    return flight;
  }

  /** Whoever has the stale value does not need to hear that there is no newer one. */
  function refresh(coordination: Coordination, key: Key, text: string): void {
    flightOf(coordination, key, text).catch(() => null);
  }

  /** What a caller gets within its own time, whoever's flight it is. */
  async function arrival(
    coordination: Coordination | null,
    key: Key,
    { text, signal }: { readonly text: string; readonly signal: AbortSignal | null },
  ): Promise<NonNullable<Loaded>> {
    const { over, forget } = patience(`cache "${name}": "${text}"`, { clock, waitMs, signal });
    try {
      for (;;) {
        const outcome = await Promise.race([flightOf(coordination, key, text), over]);
        if (outcome !== null) return outcome;
      }
    } finally {
      forget();
    }
  }

  return {
    async get(key, getOptions = {}) {
      const text = textOf(key);
      checkNames(`cache "${name}": get`, getOptions, ['signal']);
      const signal = checkSignal(`cache "${name}": signal`, getOptions.signal);
      const found = await unlessDown(async () => {
        const coordination = await open();
        return { coordination, reading: await coordination.read(slotOf(text)) };
      });
      const { coordination, reading } = found ?? unknown;
      const { entry, failure } = reading;
      if (entry !== null) {
        if (!entry.isFresh) refresh(coordination!, key, text);
        return decoded(text, entry.value);
      }
      const outcome =
        failure === null
          ? await arrival(coordination, key, { text, signal })
          : outcomeOf(name, text, reading);
      if (outcome.kind === 'failed') throw outcome.error;
      return decoded(text, outcome.value);
    },
    async invalidate(key) {
      const text = textOf(key);
      await (await open()).invalidate(slotOf(text));
      // Whoever asks from here on does not wait for a load that is worth nothing.
      flights.delete(text);
      emit({ kind: 'cache-invalidated', cache: name, key: text });
    },
  };
}

/** What is known while the engine is down. */
const unknown: { readonly coordination: null; readonly reading: Reading } = {
  coordination: null,
  reading: { entry: null, failure: null },
};

/** What another process, or an earlier load, left as an answer. */
function outcomeOf(cache: string, key: string, { entry, failure }: Reading): NonNullable<Loaded> {
  if (entry !== null) return { kind: 'entry', value: entry.value };
  return { kind: 'failed', error: loadFailed(cache, key, errorOf(failure!)) };
}

function errorOf({ name, message }: Failure): Error {
  const error = new Error(message);
  error.name = name;
  return error;
}

interface Patience {
  /** Rejects when it is over. */
  readonly over: Promise<never>;
  forget(): void;
}

function patience(
  where: string,
  {
    clock,
    waitMs,
    signal,
  }: { readonly clock: Clock; readonly waitMs: number; readonly signal: AbortSignal | null },
): Patience {
  let giveUp = (): void => {};
  let timer: ReturnType<Clock['setTimer']>;
  const over = new Promise<never>((_, reject) => {
    giveUp = () => reject(waitAborted(where, signal!));
    timer = clock.setTimer(() => reject(tooLate(where, waitMs)), waitMs);
    if (signal?.aborted === true) giveUp();
    else signal?.addEventListener('abort', giveUp, { once: true });
  });
  over.catch(() => {});
  return {
    over,
    forget() {
      timer.cancel();
      signal?.removeEventListener('abort', giveUp);
    },
  };
}

function tooLate(where: string, waitMs: number): MaloteError {
  return new MaloteError(
    'CACHE_TIMEOUT',
    `${where} was not loaded within ${waitMs} ms; raise lock.wait, or find out what is slow`,
  );
}

function taken(name: string): MaloteError {
  return new MaloteError(
    'CACHE_TAKEN',
    `cache "${name}" is made twice on this bus; make it once and share it, or name it otherwise`,
  );
}
