/** `bus.fulfil` and `bus.revoke`: facts opened and closed by hand. */

import { type DependencyKey, factsOf } from '../message/dependency.ts';
import type { FactChange, Transport } from '../transport/transport.ts';
import type { Events } from './events.ts';

/** Resolves when they are stored. */
export type Mark = (keys: readonly DependencyKey[], state: FactChange['state']) => Promise<void>;

export function createMarking(options: {
  readonly events: Events;
  readonly open: () => Promise<Pick<Transport<unknown>, 'queue'>>;
}): Mark {
  const { events, open } = options;
  return async (keys, state) => {
    const facts = factsOf(keys);
    if (facts.length === 0) return;
    const { queue } = await open();
    await queue.mark(facts.map((fact) => ({ fact, state })));
    events.emit({ kind: state, facts });
  };
}
