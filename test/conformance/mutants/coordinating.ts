/** Faults in locks and cached values. */

import type {
  Acquisition,
  Coordination,
  Hold,
  Request,
  Result,
} from '../../../src/transport/coordination.ts';
import { note, type Mutant, type World } from './planting.ts';

export const coordinatingMutants: readonly Mutant[] = [
  {
    name: 'a lock is given to everybody who asks',
    caughtBy: ['hold-one', 'hold-apart', 'hold-ends', 'hold-extended', 'hold-each-its-turn'],
    plant: coordinating((sound) => ({
      async acquire(request) {
        const acquired = await sound.acquire({ ...request, waitMs: 0 });
        if (acquired.kind !== 'timed-out') return acquired;
        await sound.invalidate(request.slot);
        return await sound.acquire(request);
      },
    })),
  },
  {
    name: 'all slots of a space are one',
    caughtBy: ['hold-apart'],
    plant: acquiring((request) => ({ ...request, slot: { ...request.slot, key: 'all' } })),
  },
  {
    name: 'a token begins again with every process',
    caughtBy: ['hold-tokens'],
    plant: coordinating((sound) => {
      let tokens = 0;
      return {
        async acquire(request) {
          const acquired = await sound.acquire(request);
          if (acquired.kind !== 'held') return acquired;
          return { kind: 'held', hold: { ...acquired.hold, token: ++tokens } };
        },
      };
    }),
  },
  {
    name: 'an extension answers and does nothing',
    caughtBy: ['hold-extended', 'hold-fenced', 'hold-over-is-over'],
    plant: coordinating(() => ({ extend: async () => true })),
  },
  {
    name: 'a late holder is heard: its value is put',
    caughtBy: ['hold-fenced', 'hold-over-is-over', 'hold-invalidated'],
    plant: coordinating((sound) => ({ put: (hold, result) => putByForce(sound, hold, result) })),
  },
  {
    name: 'a refused put says that it was stored',
    caughtBy: ['hold-fenced', 'hold-over-is-over', 'hold-invalidated', 'entry-put'],
    plant: coordinating((sound) => ({
      put: async (hold, result) => (await sound.put(hold, result)) || true,
    })),
  },
  {
    name: 'a release frees the slot, whoever holds it',
    caughtBy: ['hold-fenced', 'hold-over-is-over', 'entry-released'],
    plant: coordinating((sound) => ({
      async release({ slot }) {
        await sound.invalidate(slot);
        return true;
      },
    })),
  },
  {
    name: 'a lease does not end',
    caughtBy: ['hold-tokens', 'hold-ends', 'hold-fenced', 'hold-crash'],
    plant: acquiring((request) => ({ ...request, leaseMs: request.leaseMs * 1_000 })),
  },
  {
    name: 'a lease ends too soon',
    caughtBy: ['hold-ends', 'hold-extended'],
    plant: acquiring((request) => ({ ...request, leaseMs: request.leaseMs / 2 })),
  },
  {
    name: 'a holder is told that it has a minute more',
    caughtBy: ['hold-valid-until'],
    plant: coordinating((sound) => ({
      async acquire(request) {
        const acquired = await sound.acquire(request);
        if (acquired.kind !== 'held') return acquired;
        const { hold } = acquired;
        return { kind: 'held', hold: { ...hold, validUntil: hold.validUntil + 60_000 } };
      },
    })),
  },
  {
    name: 'a process that closes keeps its locks',
    caughtBy: ['hold-close'],
    plant: (sound) => ({ close: async () => sound.abandon() }),
  },
  {
    name: 'whoever waits is forgotten',
    caughtBy: [
      'hold-woken',
      'hold-each-its-turn',
      'hold-close',
      'hold-crash',
      'hold-valid-until',
      'entry-awaited',
      'entry-released',
    ],
    plant: coordinating((sound) => ({
      async acquire(request) {
        const acquired = await sound.acquire({ ...request, waitMs: 0 });
        if (acquired.kind !== 'timed-out' || request.waitMs === 0) return acquired;
        return await new Promise(() => {});
      },
    })),
  },
  {
    name: 'a wait has no end',
    caughtBy: ['hold-wait-over'],
    plant: acquiring((request) => ({ ...request, waitMs: request.waitMs * 1_000 })),
  },
  {
    name: 'a wait ends too soon',
    caughtBy: ['hold-wait-over'],
    plant: acquiring((request) => ({ ...request, waitMs: request.waitMs / 2 })),
  },
  {
    name: 'a wait cannot be given up',
    caughtBy: ['hold-wait-given-up'],
    plant: acquiring((request) => ({ ...request, signal: null })),
  },
  {
    name: 'a value is read by the process alone that put it',
    caughtBy: ['entry-put', 'entry-ages', 'entry-none', 'entry-failure'],
    plant: coordinating((sound) => {
      const own = new Set<string>();
      return {
        put(hold, result) {
          own.add(hold.slot.key);
          return sound.put(hold, result);
        },
        read: async (slot) => (own.has(slot.key) ? await sound.read(slot) : nothing),
      };
    }),
  },
  {
    name: 'a value is loaded again although it is there',
    caughtBy: ['entry-put', 'entry-awaited', 'entry-failure', 'hold-invalidated'],
    plant: coordinating((sound) => ({
      async acquire(request) {
        const acquired = await sound.acquire(request);
        if (acquired.kind !== 'found') return acquired;
        await sound.invalidate(request.slot);
        return await sound.acquire(request);
      },
    })),
  },
  {
    name: 'a value that was waited for is no answer unless it is fresh',
    caughtBy: ['entry-awaited', 'entry-none'],
    plant: coordinating((sound) => ({
      async acquire(request) {
        const acquired = await sound.acquire(request);
        const stale = acquired.kind === 'found' && acquired.reading.entry?.isFresh === false;
        if (!stale) return acquired;
        await sound.invalidate(request.slot);
        return await sound.acquire(request);
      },
    })),
  },
  {
    name: 'a value is fresh as long as it is kept',
    caughtBy: ['entry-ages', 'entry-failure-keeps'],
    plant: keeping((result) =>
      result.kind === 'entry' ? { ...result, freshMs: result.keptMs } : result,
    ),
  },
  {
    name: 'a value is kept for ever',
    caughtBy: ['entry-ages', 'entry-failure-keeps'],
    plant: keeping((result) =>
      result.kind === 'entry' ? { ...result, keptMs: result.keptMs * 1_000 } : result,
    ),
  },
  {
    name: 'that there is none is not kept',
    caughtBy: ['entry-none'],
    plant: coordinating((sound) => ({
      put: (hold, result) =>
        result.kind === 'entry' && result.value === null
          ? sound.release(hold)
          : sound.put(hold, result),
    })),
  },
  {
    name: 'a failure is not kept',
    caughtBy: ['entry-failure', 'entry-failure-shared', 'entry-failure-keeps'],
    plant: coordinating((sound) => ({
      put: (hold, result) =>
        result.kind === 'failure' ? sound.release(hold) : sound.put(hold, result),
    })),
  },
  {
    name: 'a failure takes the place of the value',
    caughtBy: ['entry-failure', 'entry-failure-keeps'],
    plant: keeping((result) =>
      result.kind === 'entry'
        ? result
        : { ...result, kind: 'entry', value: null, freshMs: 0, keptMs: 0 },
    ),
  },
  {
    name: 'an invalidation answers and does nothing',
    caughtBy: ['entry-invalidate', 'hold-invalidated'],
    plant: coordinating(() => ({ invalidate: async () => undefined })),
  },
  {
    name: 'an invalidation waits for the load that is under way',
    caughtBy: ['hold-invalidated'],
    plant: coordinating((sound, world) => {
      const waiting = note(world, 'waiting', () => new Map<string, Hold>());
      return {
        async acquire(request) {
          const acquired = await sound.acquire(request);
          if (acquired.kind === 'held') waiting.set(request.slot.key, acquired.hold);
          return acquired;
        },
        async invalidate(slot) {
          if (!waiting.has(slot.key)) await sound.invalidate(slot);
        },
      };
    }),
  },
  {
    name: 'values have all the room they want',
    caughtBy: ['entry-bounded'],
    plant: keeping((result) => ({ ...result, mostEntries: 1e9 })),
  },
];

const nothing = { entry: null, failure: null };

/** Some of the steps of a connection's locks and caches, done differently. */
function coordinating(
  change: (sound: Coordination, world: World) => Partial<Coordination>,
): NonNullable<Mutant['plant']> {
  return ({ coordination }, world) => {
    const sound = stepsOf(coordination);
    return { coordination: { ...sound, ...change(sound, world) } };
  };
}

function acquiring(change: (request: Request) => Request): NonNullable<Mutant['plant']> {
  return coordinating((sound) => ({
    acquire: (request): Promise<Acquisition> => sound.acquire(change(request)),
  }));
}

function keeping(change: (result: Result) => Result): NonNullable<Mutant['plant']> {
  return coordinating((sound) => ({ put: (hold, result) => sound.put(hold, change(result)) }));
}

function stepsOf(sound: Coordination): Coordination {
  return {
    read: (slot) => sound.read(slot),
    acquire: (request) => sound.acquire(request),
    extend: (hold, leaseMs) => sound.extend(hold, leaseMs),
    release: (hold) => sound.release(hold),
    put: (hold, result) => sound.put(hold, result),
    invalidate: (slot) => sound.invalidate(slot),
  };
}

async function putByForce(sound: Coordination, hold: Hold, result: Result): Promise<boolean> {
  if (await sound.put(hold, result)) return true;
  await sound.invalidate(hold.slot);
  const { slot } = hold;
  const acquired = await sound.acquire({ slot, leaseMs: 1_000, waitMs: 0, signal: null });
  return acquired.kind === 'held' && (await sound.put(acquired.hold, result));
}
