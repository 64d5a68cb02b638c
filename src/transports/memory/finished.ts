/**
 * Views of messages that left the engine in a way worth remembering: cancelled, or done with a
 * history. The newest thousand; where the journal keeps all, for as long as it says, of the newest
 * hundred thousand.
 */

import type { Step } from '../../transport/lane-table.ts';
import {
  append,
  createList,
  type LinkedList,
  type Links,
  unlink,
} from '../../transport/linked-list.ts';
import type { MessageView } from '../../transport/store.ts';

interface Kept extends Links<Kept> {
  readonly view: MessageView;
  /** It is not shown from then on. */
  readonly endsAt: number;
}

export interface Finished {
  readonly exceptions: LinkedList<Kept>;
  readonly all: LinkedList<Kept>;
  readonly byId: Map<string, Kept[]>;
}

const mostExceptions = 1_000;
const mostOfAll = 100_000;
/** How many whose time is over go when one more comes, so that no step does too much. */
const sweptAtOnce = 2;

export function createFinished(): Finished {
  return { exceptions: createList(), all: createList(), byId: new Map() };
}

export function finish(finished: Finished, view: MessageView, step: Step): void {
  if (step.keepDoneMs === 0) {
    add(finished, finished.exceptions, { view, endsAt: Number.POSITIVE_INFINITY });
    if (finished.exceptions.size > mostExceptions) dropOldest(finished, finished.exceptions);
    return;
  }
  const { all } = finished;
  for (let swept = 0; swept < sweptAtOnce; swept++) {
    if (all.head !== null && all.head.endsAt <= step.now) dropOldest(finished, all);
  }
  add(finished, all, { view, endsAt: step.now + step.keepDoneMs });
  if (all.size > mostOfAll) dropOldest(finished, all);
}

export function finishedNamed({ byId }: Finished, id: string, now: number): MessageView[] {
  return (byId.get(id) ?? []).filter(({ endsAt }) => endsAt > now).map(({ view }) => view);
}

function add(
  { byId }: Finished,
  list: LinkedList<Kept>,
  { view, endsAt }: Pick<Kept, 'view' | 'endsAt'>,
): void {
  const kept: Kept = { view, endsAt, previous: null, next: null };
  append(list, kept);
  byId.set(view.id, [...(byId.get(view.id) ?? []), kept]);
}

function dropOldest({ byId }: Finished, list: LinkedList<Kept>): void {
  const oldest = list.head!;
  unlink(list, oldest);
  const { id } = oldest.view;
  const left = (byId.get(id) ?? []).filter((other) => other !== oldest);
  if (left.length === 0) byId.delete(id);
  else byId.set(id, left);
}
