/** The rule of {@link Queue.forward}: a key of which one message found no room goes no further. */

import type { Outgoing, PublishOutcome } from './transport.ts';

/** The keys of one batch that found no room, and what their first message was answered. */
export type Stopped = Map<string, PublishOutcome>;

export function forwardOne(
  stopped: Stopped,
  outgoing: Outgoing,
  publish: (outgoing: Outgoing) => PublishOutcome,
): PublishOutcome {
  const { key } = outgoing;
  const before = key === null ? undefined : stopped.get(key);
  if (before !== undefined) return before;
  const outcome = publish(outgoing);
  if (key !== null && outcome.kind === 'full') stopped.set(key, outcome);
  return outcome;
}
