/** Faults in what is sent back of the dead letters. */

import type { Mutant } from './planting.ts';

export const redrivingMutants: readonly Mutant[] = [
  {
    name: 'a redrive takes no notice of what was selected',
    caughtBy: ['redrive-selected', 'redrive-selected-in-order', 'redrive-limited'],
    plant: (sound) => ({
      redrive: (which) => sound.redrive('all' in which ? { ...which, only: {} } : which),
    }),
  },
  {
    name: 'a redrive has no limit',
    caughtBy: ['redrive-limited'],
    plant: (sound) => ({
      redrive: (which) => sound.redrive('all' in which ? { ...which, limit: Infinity } : which),
    }),
  },
  {
    name: 'a redrive sends back what was selected and leaves the rest of a key',
    caughtBy: ['redrive-selected-whole-key'],
    plant: (sound) => ({
      async redrive(which) {
        if (!('all' in which)) return sound.redrive(which);
        const query = { id: null, cursor: null, limit: 500, subscription: which.subscription };
        const { items } = await sound.dead(query);
        const name = which.only?.failure;
        const meant = items.filter(({ lastFailure }) => lastFailure?.name === name);
        for (const { id } of items) await sound.cancel(id);
        const plain = { delayMs: 0, dedupe: [], facts: [] };
        await sound.publish(meant.map((letter) => ({ ...letter, ...plain })));
        return meant.length;
      },
    }),
  },
  {
    name: 'a redrive takes the reason for what failed',
    caughtBy: ['redrive-selected'],
    plant: (sound) => ({
      redrive(which) {
        if (!('all' in which) || which.only?.failure === undefined) return sound.redrive(which);
        return sound.redrive({ ...which, only: { reasons: ['gave-up'] } });
      },
    }),
  },
];
