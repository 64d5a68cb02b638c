/**
 * Where waiting messages are overtaken: the head of a key that has to wait leaves it for a lane of
 * its own, without a key, and the key goes on with its next message.
 *
 * It keeps its row; the number of its new lane is one that no message has.
 */

import { laneFlag, laneState, ticksOf } from './layout.ts';
import type { Ledger } from './ledger.ts';
import { letGoOn } from './return.ts';
import type { Subscription } from './topology.ts';

/** Answers the lane it waits in. The one it leaves has no lease. */
export function stepAside(
  ledger: Ledger,
  { number, loose }: Subscription,
  { id, lane, deadlineAt }: { readonly id: number; readonly lane: number; deadlineAt: number },
): number {
  const own = loose + ++ledger.sequence;
  const readyAt = ticksOf(deadlineAt);
  ledger.messages.stepAside.run(own, id);
  ledger.lanes.add.run(own, number, 0, null, 1, laneState.waiting, readyAt, null, 0, laneFlag.none);
  letGoOn(ledger, lane);
  // The lane may have ended with it.
  ledger.found.clear();
  return own;
}
