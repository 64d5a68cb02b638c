/**
 * Views of messages that left the engine in a way worth remembering: cancelled, or done with a
 * history. The newest thousand.
 */

import type { MessageView } from '../../transport/store.ts';

export interface Finished {
  readonly ring: (MessageView | undefined)[];
  next: number;
  readonly byId: Map<string, MessageView[]>;
}

const mostFinished = 1_000;

export function createFinished(): Finished {
  return { ring: [], next: 0, byId: new Map() };
}

export function finish(finished: Finished, view: MessageView): void {
  const oldest = finished.ring[finished.next];
  if (oldest !== undefined) {
    const left = (finished.byId.get(oldest.id) ?? []).filter((other) => other !== oldest);
    if (left.length === 0) finished.byId.delete(oldest.id);
    else finished.byId.set(oldest.id, left);
  }
  finished.ring[finished.next] = view;
  finished.next = (finished.next + 1) % mostFinished;
  finished.byId.set(view.id, [...(finished.byId.get(view.id) ?? []), view]);
}
