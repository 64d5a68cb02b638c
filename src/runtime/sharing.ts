/** Locks and caches on a bus: what they need of it, and when they end with it. */

import type { Cache, CacheOptions } from '../cache/cache.ts';
import { createCaches } from '../cache/create-cache.ts';
import type { Clock } from '../clock.ts';
import { MaloteError } from '../errors.ts';
import { createLocks } from '../lock/create-locks.ts';
import type { HeldLock, LockOptions } from '../lock/lock.ts';
import type { BodyLimits } from '../message/json.ts';
import type { Coordination } from '../transport/coordination.ts';
import type { Engine } from '../transport/transport.ts';
import type { Events } from './events.ts';
import type { Link } from './link.ts';

export interface SharingOptions {
  readonly engine: Pick<Engine, 'name' | 'capabilities'>;
  readonly link: Pick<Link<never>, 'open'>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly limits: BodyLimits;
  readonly events: Events;
}

export interface Sharing {
  cache<Key, Value>(name: string, options: CacheOptions<Key, Value>): Cache<Key, Value>;
  lock(name: string, options?: LockOptions): Promise<HeldLock>;
  /** Tells holders and loads; what they hold is given back with the connection. */
  stop(error?: MaloteError): void;
}

export function createSharing(options: SharingOptions): Sharing {
  const { engine, link, clock, random, limits, events } = options;
  const emit: Events['emit'] = (event) => events.emit(event);

  function missing(where: string): MaloteError | null {
    if (engine.capabilities.coordination) return null;
    const sentence = `${where}: the engine "${engine.name}" has no locks and no caches`;
    return new MaloteError('CAPABILITY_MISSING', sentence);
  }

  async function open(): Promise<Coordination> {
    const { coordination } = await link.open();
    if (coordination === null) throw missing('this bus')!;
    return coordination;
  }

  const caches = createCaches({ clock, random, limits, open, emit });
  const locks = createLocks({ clock, open, emit });
  return {
    cache(name, given) {
      const error = missing(`cache "${name}"`);
      if (error !== null) throw error;
      return caches.cache(name, given);
    },
    async lock(name, given) {
      const error = missing(`lock "${name}"`);
      if (error !== null) throw error;
      return await locks.lock(name, given);
    },
    stop(error = new MaloteError('BUS_STOPPED', 'the bus was stopped; create a new one')) {
      caches.stop(error);
      locks.stop(error);
    },
  };
}
