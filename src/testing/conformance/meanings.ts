/** What each capability means to a user; one without a line here does not compile. */

import type { Capabilities } from '../../transport/capabilities.ts';

export const meanings: Readonly<Record<keyof Capabilities, string>> = {
  delivery: 'How a process holds messages',
  lease: 'What ends the lease of a process that no longer answers',
  fencing: 'The engine itself refuses a settlement under a lost lease',
  dedupe: 'Ids and dedupe keys given by the caller are remembered at publish',
  atomicSettle: 'An ack, the facts it opens and what it publishes are stored in one step',
  settlesForGood:
    'A settlement that was answered holds, though its process dies in the next moment',
  survives: 'What an accepted message survives',
  factsSurvive: 'What a fact survives that was confirmed',
  keepsFacts: 'Facts can be kept here for messages of another engine, as its `store`',
  processes: 'How many processes may share the engine',
  transactions:
    "A publish can join the caller's transactions, and the caller's functions the engine's",
  coordination: 'Processes can agree on who holds a lock and on what a cache keeps',
  lookup: 'A message can be found by its id, and cancelled, in whatever state it is',
  counts: 'The figures of a subscription, and `maxDepth`, are',
  maxBodyBytes: 'Largest body in bytes that the engine takes',
};

/** A capability as a page or a terminal shows it. */
export function inWords(value: string | number | boolean): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return typeof value === 'number' ? value.toLocaleString('en-US') : value;
}
