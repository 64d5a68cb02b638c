/** Faults in the life of a message that the journal keeps after it is done. */

import type { JournalEntry } from '../../../src/transport/store.ts';
import type { Mutant } from './planting.ts';

export const livingMutants: readonly Mutant[] = [
  {
    name: 'exceptions are written down whatever the journal is told',
    caughtBy: ['life-untold'],
    host: (host) => ({ ...host, journal: host.journal === 'off' ? 'exceptions' : host.journal }),
  },
  {
    name: 'a journal of everything keeps exceptions only',
    caughtBy: ['life-ordinary', 'life-eventful', 'life-cancelled', 'life-crashed', 'life-ends'],
    host: (host) => ({ ...host, journal: 'exceptions' }),
  },
  {
    name: 'a journal keeps done messages for ever',
    caughtBy: ['life-ends'],
    host: (host) => ({ ...host, keepDoneMs: 1_000 * host.keepDoneMs }),
  },
  {
    name: 'a message is delivered when it is acked',
    caughtBy: ['life-ordinary'],
    plant: (sound) => ({
      get: async (id) =>
        (await sound.get(id)).map((view) => ({ ...view, history: late(view.history) })),
    }),
  },
  {
    name: 'whatever is done is said to have taken one attempt',
    caughtBy: ['life-attempts'],
    plant: (sound) => ({
      get: async (id) =>
        (await sound.get(id)).map((view) =>
          view.state === 'done' ? { ...view, attempts: 1 } : view,
        ),
    }),
  },
  {
    name: 'a message that was sent back has no life before',
    caughtBy: ['life-eventful'],
    plant: (sound) => ({
      get: async (id) =>
        (await sound.get(id)).map((view) => {
          const from = view.history.findIndex(({ event }) => event === 'redriven');
          return { ...view, history: view.history.slice(Math.max(0, from)) };
        }),
    }),
  },
];

function late(history: readonly JournalEntry[]): JournalEntry[] {
  return history.map((entry) => ({ ...entry, at: history.at(-1)!.at }));
}
