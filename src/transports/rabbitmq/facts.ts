/** The facts that hold, as every process that consumes reads them from one stream. */

import type { FactChange, FactId } from '../../transport/transport.ts';

export interface Facts {
  readonly holding: Set<FactId>;
  read(entry: unknown): void;
}

export function createFacts(opened: (fact: FactId) => void): Facts {
  const holding = new Set<FactId>();
  return {
    holding,
    read(entry) {
      if (!Array.isArray(entry)) return;
      for (const { fact, state } of entry as FactChange[]) {
        if (state === 'revoked') holding.delete(fact);
        else {
          holding.add(fact);
          opened(fact);
        }
      }
    },
  };
}
