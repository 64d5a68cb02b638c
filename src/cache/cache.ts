/** What a user gives and gets of a cache, in types. */

import type { Duration } from '../message/duration.ts';
import type { Failure } from '../message/life.ts';

export interface LoadContext {
  /** Aborted when the load takes too long, when another may load, and when the bus stops. */
  readonly signal: AbortSignal;
  /**
   * Greater with every load of the key: a fencing token for what the load itself writes. 0 of a
   * load that the engine does not know of, see {@link CacheOptions.whenDown}.
   */
  readonly token: number;
}

export interface CacheOptions<Key, Value> {
  /**
   * Loads the value of a key; JSON, as messages are. At any time one of it runs per key over all
   * processes. `undefined` says that there is none. What it throws, its callers get.
   */
  readonly load: (key: Key, context: LoadContext) => Value | Promise<Value>;
  /** How long a value is fresh: within it nobody loads again. */
  readonly ttl: Duration;
  /**
   * For how long after that the old value is handed out, at once, while one process loads a new
   * one; also where that fails. @defaultValue 0
   */
  readonly stale?: Duration;
  /** How long it is remembered that there is none, at most `ttl`. @defaultValue '10s' */
  readonly none?: Duration;
  /**
   * How long a failed load is remembered: callers get its error, or the stale value, and nobody
   * loads. 0: only those who waited for it get it. @defaultValue '1s'
   */
  readonly errors?: Duration;
  /** A load that takes longer has failed. @defaultValue '30s' */
  readonly timeout?: Duration;
  readonly lock?: {
    /**
     * How long a process that no longer answers keeps others from loading; extended every third
     * of it while it loads. At least 100 ms. @defaultValue '10s'
     */
    readonly ttl?: Duration;
    /** How long a caller waits for a value, whoever loads it. @defaultValue '30s' */
    readonly wait?: Duration;
  };
  /**
   * What a caller gets while the engine cannot be reached, is locked or full, or has failed: its
   * error (`fail`), or what this process loads for all its callers, which nobody keeps (`load`).
   * Then as many processes load as there are. @defaultValue 'fail'
   */
  readonly whenDown?: 'fail' | 'load';
  /** Values that are kept; those whose time ends first go first. @defaultValue 100000 */
  readonly maxEntries?: number;
  /** The text that stands for a key, 1 to 512 characters. Default: the key, which is a string. */
  readonly key?: (key: Key) => string;
}

/** Keys other than strings need an option that turns them into text. */
export type KeyRule<Key> = [Key] extends [string]
  ? unknown
  : { readonly key: (key: Key) => string };

export interface Cache<Key, Value> {
  /**
   * The value of a key: kept, or loaded by one process for all. Each caller gets a copy of its own.
   *
   * @throws MaloteError `CACHE_LOAD_FAILED` when the load failed, here or in another process
   * @throws MaloteError `CACHE_TIMEOUT` after `lock.wait`, `WAIT_ABORTED` by the signal
   * @throws MaloteError `DATA_INVALID` when the key is no text of 1 to 512 characters
   */
  get(key: Key, options?: { readonly signal?: AbortSignal }): Promise<Value>;
  /**
   * Forgets the value in all processes. Whoever asks after this resolved gets one whose load began
   * later; a load that is under way is not kept.
   */
  invalidate(key: Key): Promise<void>;
}

interface AboutLoad {
  readonly cache: string;
  readonly key: string;
  readonly token: number;
}

export type CacheEvent =
  /** This process loaded a value. */
  | ({ readonly kind: 'cache-loaded'; readonly durationMs: number } & AboutLoad)
  /** This process could not load a value. */
  | ({ readonly kind: 'cache-failed'; readonly failure: Failure } & AboutLoad)
  /** What was loaded came too late, or after an invalidation, and was not kept. */
  | ({ readonly kind: 'cache-refused' } & AboutLoad)
  /** A value was forgotten by hand. */
  | { readonly kind: 'cache-invalidated'; readonly cache: string; readonly key: string };
