/**
 * What a fact that opens does to a lane table.
 */

import { record, type Entry, type LaneTable, type Step } from './lane-table.ts';
import { leaveState, raise } from './lane-table-lanes.ts';
import { meet } from './lane-table-waiting.ts';
import type { FactId } from './transport.ts';

/**
 * Lets go the lanes that lacked only this fact, and answers their heads. The fact must hold
 * already. A lane whose other facts were revoked meanwhile is found out when it is raised.
 */
export function wake(table: LaneTable, fact: FactId, step: Step): Entry[] {
  const woken: Entry[] = [];
  const waiters = table.waitingOn.get(fact);
  if (waiters === undefined) return woken;
  table.waitingOn.delete(fact);
  for (const lane of waiters.items) {
    if (lane === null || !meet(lane, fact)) continue;
    const head = lane.head!;
    leaveState(table, lane);
    record(head, step, { event: 'woken', detail: fact });
    raise(table, lane, step);
    if (head.state === 'ready') woken.push(head);
  }
  return woken;
}
