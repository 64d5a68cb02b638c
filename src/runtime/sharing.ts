/**
 * Locks, caches and rates on a bus: what they need of it, and when they end with it. They live in
 * the engine; where that has none, in the store.
 */

import type { Cache, CacheOptions } from '../cache/cache.ts';
import { createCaches } from '../cache/create-cache.ts';
import type { Clock } from '../clock.ts';
import { MaloteError } from '../errors.ts';
import { createLocks } from '../lock/create-locks.ts';
import type { HeldLock, LockOptions } from '../lock/lock.ts';
import type { BodyLimits } from '../message/json.ts';
import type { Coordination } from '../transport/coordination.ts';
import type { Engine, Transport } from '../transport/transport.ts';
import type { Events } from './events.ts';
import type { Rate } from './pace.ts';
import { permitsHere, permitsOfAll, type TakePermits } from './permits.ts';

type Sharer = Pick<Engine, 'name' | 'capabilities'>;
interface Connection {
  open(): Promise<Pick<Transport, 'coordination'>>;
}

export interface SharingOptions {
  readonly engine: Sharer;
  readonly store?: Sharer | undefined;
  readonly link: Connection;
  /** The store's, or the engine's again. */
  readonly joined: Connection;
  readonly clock: Clock;
  readonly random: () => number;
  readonly limits: BodyLimits;
  readonly events: Events;
}

export interface Sharing {
  cache<Key, Value>(name: string, options: CacheOptions<Key, Value>): Cache<Key, Value>;
  lock(name: string, options?: LockOptions): Promise<HeldLock>;
  /** Leave to start messages of a subscription. */
  permits(subscription: string, rate: Rate): TakePermits;
  /** Tells holders and loads; what they hold is given back with the connection. */
  stop(error?: MaloteError): void;
}

export function createSharing(options: SharingOptions): Sharing {
  const { engine, store = engine, clock, random, limits, events } = options;
  const [sharer, link] = engine.capabilities.coordination
    ? [engine, options.link]
    : [store, options.joined];
  const emit: Events['emit'] = (event) => events.emit(event);

  function missing(where: string): MaloteError | null {
    if (sharer.capabilities.coordination) return null;
    const sentence = `${where}: the engine "${engine.name}" has no locks and no caches`;
    const cure = 'give createBus a store that has them';
    return new MaloteError('CAPABILITY_MISSING', `${sentence}; ${cure}`);
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
    permits(subscription, { scope }) {
      if (scope === 'process') return permitsHere(clock);
      if (sharer.capabilities.coordination) return permitsOfAll(subscription, { clock, open });
      const where = `subscription "${subscription}": rate`;
      const sentence = `${where}: processes of the engine "${engine.name}" cannot share one`;
      const cure = "give createBus a store that can, or each process its own: scope: 'process'";
      throw new MaloteError('CAPABILITY_MISSING', `${sentence}; ${cure}`);
    },
    stop(error = new MaloteError('BUS_STOPPED', 'the bus was stopped; create a new one')) {
      caches.stop(error);
      locks.stop(error);
    },
  };
}
