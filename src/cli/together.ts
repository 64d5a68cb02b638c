/** What an engine can do with the store beside it: the one place for what a store adds. */

import type { Engine } from '../index.ts';

type Place = Pick<Engine<unknown>, 'capabilities'>;

export function together(
  { capabilities: own }: Place,
  store: Place | null | undefined,
): Engine['capabilities'] {
  const its = store?.capabilities ?? own;
  // An engine that stores facts with the ack keeps its own.
  const isKeptApart = its.keepsFacts && !own.atomicSettle;
  return {
    ...own,
    dedupe: own.dedupe || its.dedupe,
    transactions: own.transactions || its.transactions,
    coordination: own.coordination || its.coordination,
    factsSurvive: isKeptApart ? its.factsSurvive : own.factsSurvive,
  };
}
