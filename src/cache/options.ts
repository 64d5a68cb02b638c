/** The options of a cache, their defaults and limits, checked in one place. */

import { optionInvalid } from '../errors.ts';
import { leastLeaseMs } from '../lock/create-locks.ts';
import { checkNames, oneOf, whole } from '../message/checks.ts';
import { type Duration, toMs } from '../message/duration.ts';
import { checkName } from '../message/names.ts';
import type { CacheOptions } from './cache.ts';

export interface CacheSettings {
  readonly name: string;
  readonly ttlMs: number;
  readonly staleMs: number;
  readonly noneMs: number;
  readonly errorsMs: number;
  readonly timeoutMs: number;
  readonly leaseMs: number;
  readonly waitMs: number;
  readonly maxEntries: number;
  /** Whether to load where the engine is down. */
  readonly loadsAlone: boolean;
}

interface Defaults {
  readonly stale: Duration;
  readonly none: Duration;
  readonly errors: Duration;
  readonly timeout: Duration;
  readonly lockTtl: Duration;
  readonly lockWait: Duration;
  readonly whenDown: 'fail' | 'load';
  readonly maxEntries: number;
}

/** The only place where a default is written. */
export const cacheDefaults: Defaults = {
  stale: 0,
  none: '10s',
  errors: '1s',
  timeout: '30s',
  lockTtl: '10s',
  lockWait: '30s',
  whenDown: 'fail',
  maxEntries: 100_000,
};

const names = [
  'load',
  'ttl',
  'stale',
  'none',
  'errors',
  'timeout',
  'lock',
  'whenDown',
  'maxEntries',
  'key',
];

export function resolveCache<Key, Value>(
  name: string,
  given: CacheOptions<Key, Value>,
): CacheSettings {
  const where = `cache "${checkName(name, 'cache name')}"`;
  checkNames(where, given, names);
  const { lock = {}, maxEntries = cacheDefaults.maxEntries, load, key } = given;
  checkNames(`${where}: lock`, lock, ['ttl', 'wait']);
  if (typeof load !== 'function') throw optionInvalid(`${where}: load`, 'a function', load);
  if (key !== undefined && typeof key !== 'function') {
    throw optionInvalid(`${where}: key`, 'a function', key);
  }
  const ms = (option: 'stale' | 'none' | 'errors'): number =>
    toMs(given[option] ?? cacheDefaults[option], `${where}: ${option}`);
  const ttlMs = toMs(given.ttl, `${where}: ttl`, 1);
  return {
    name,
    ttlMs,
    staleMs: ms('stale'),
    noneMs: Math.min(ms('none'), ttlMs),
    errorsMs: ms('errors'),
    timeoutMs: toMs(given.timeout ?? cacheDefaults.timeout, `${where}: timeout`, 1),
    leaseMs: toMs(lock.ttl ?? cacheDefaults.lockTtl, `${where}: lock.ttl`, leastLeaseMs),
    waitMs: toMs(lock.wait ?? cacheDefaults.lockWait, `${where}: lock.wait`, 1),
    loadsAlone: whenDownOf(where, given.whenDown) === 'load',
    maxEntries: whole(`${where}: maxEntries`, maxEntries, [1, 1e9]),
  };
}

function whenDownOf(where: string, given: 'fail' | 'load' | undefined): 'fail' | 'load' {
  return oneOf(`${where}: whenDown`, given ?? cacheDefaults.whenDown, ['fail', 'load']);
}
