/**
 * How a message that the broker pushed becomes an entry of a lane table, and what its past says.
 *
 * The broker tells of the past only that a message was pushed before. Beyond that there are notes,
 * which an owner writes whenever it gives back a message that is no longer ordinary, and the
 * ledgers of connections that died.
 */

import type { LaneTable, Step, Story } from '../../transport/lane-table.ts';
import type { Arrival } from '../../transport/lane-table-lanes.ts';
import { suspect } from '../../transport/lane-table-settle.ts';
import type { Suspicion } from '../../transport/transport.ts';
import type { Carried, Note } from './broker.ts';

export interface Intake {
  readonly carried: Carried;
  readonly note: Note | null;
  /** What a death says of it. */
  readonly verdict: Suspicion;
}

export interface Taken {
  readonly arrival: Arrival;
  /** Until when its lane is held back. */
  readonly heldUntil: number;
}

export function arrivalOf({ carried, note, verdict }: Intake, table: LaneTable, step: Step): Taken {
  const { message, queue, acceptedAt } = carried;
  const { spec } = queue.subscription;
  const key = queue.partition === null ? null : message.key;
  const past = {
    attempt: note?.attempt ?? 1,
    readyAt: carried.at,
    story: copyOf(note?.story ?? carried.story),
  };
  // What stood behind the head of its lane was delivered with it, and cannot have been running.
  const isHead = key === null || !hasEntries(table, key);
  if (verdict !== 'none' && isHead) suspect(past, verdict, step);
  const arrival: Arrival = {
    message,
    key,
    tag: carried.tag,
    order: carried.order,
    acceptedAt,
    needs: note?.needs ?? (spec.waits ? message.facts : []),
    readyAt: Math.min(past.readyAt, step.now),
    attempt: past.attempt,
    story: past.story,
  };
  return { arrival, heldUntil: note?.readyAt ?? 0 };
}

/** A note holds what was true when it was written, whatever happens to the entry afterwards. */
export function copyOf(story: Story | null): Story | null {
  return story === null ? null : { ...story, history: [...story.history] };
}

function hasEntries(table: LaneTable, key: string): boolean {
  return (table.byKey.get(key)?.size ?? 0) > 0;
}
