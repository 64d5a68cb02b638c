/**
 * How a message that the broker pushed becomes an entry of a lane table, and what its past says.
 *
 * The broker tells of the past only that a message was pushed before. What is known beyond that
 * stands in notes: an owner writes one before it runs a message that is no longer ordinary, and
 * whenever it gives one back. Costs nothing on the ordinary path; in return the first crash leaves
 * every head of a lane a suspect, at work or not, and none of them `alone`.
 */

import type { LaneTable, Step, Story } from '../../transport/lane-table.ts';
import type { Arrival } from '../../transport/lane-table-lanes.ts';
import { suspect } from '../../transport/lane-table-settle.ts';
import type { Carried, Note } from './broker.ts';

export interface Intake {
  readonly carried: Carried;
  readonly note: Note | null;
  /** The last owner left nothing at work: having been pushed before means nothing. */
  readonly isClean: boolean;
}

/** What arrives, and until when its lane is held back. */
export function arrivalOf(
  table: LaneTable,
  { carried, note, isClean }: Intake,
  step: Step,
): { readonly arrival: Arrival; readonly heldUntil: number } {
  const { message, queue, acceptedAt } = carried;
  const { spec } = queue.subscription;
  const key = queue.partition === null ? null : message.key;
  const needs = note?.needs ?? (spec.waits ? message.facts : []);
  const past = {
    attempt: note?.attempt ?? 1,
    readyAt: Math.max(carried.at, 0),
    story: copyOf(note?.story ?? carried.story),
  };
  const mayHaveRun = carried.redelivered && !isClean;
  if (mayHaveRun && note !== null && note.running !== 'no') suspect(past, note.running, step);
  else if (mayHaveRun && note === null) {
    const isHead = key === null || !table.byKey.has(key);
    const wasHeld = needs.some((fact) => !table.facts.has(fact));
    if (isHead && !wasHeld) suspect(past, 'beside', step);
  }
  const arrival: Arrival = {
    message,
    key,
    tag: carried.tag,
    order: carried.order,
    acceptedAt,
    needs,
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
