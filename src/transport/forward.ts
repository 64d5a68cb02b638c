/** The rule of {@link Queue.forward}: a key of which one message was not stored goes no further. */

import type { Outgoing, PublishOutcome } from './transport.ts';

/** The keys of one batch that have stopped, and the answer that each of them stopped at. */
export type Stopped = Map<string, PublishOutcome>;

export function forwardOne(
  stopped: Stopped,
  outgoing: Outgoing,
  publish: (outgoing: Outgoing) => PublishOutcome,
): PublishOutcome {
  const before = stoppedAt(stopped, outgoing);
  if (before !== undefined) return before;
  const outcome = publish(outgoing);
  stopBehind(stopped, outgoing, outcome);
  return outcome;
}

/** What everything of this key is answered, once it has stopped. */
export function stoppedAt(stopped: Stopped, { key }: Outgoing): PublishOutcome | undefined {
  return key === null ? undefined : stopped.get(key);
}

/** Stops the key of a message that was not stored, or not certainly. */
export function stopBehind(stopped: Stopped, { key }: Outgoing, outcome: PublishOutcome): void {
  if (key === null || isThere(outcome) || stopped.has(key)) return;
  stopped.set(key, outcome);
}

function isThere({ kind }: PublishOutcome): boolean {
  return kind === 'stored' || kind === 'duplicate';
}
