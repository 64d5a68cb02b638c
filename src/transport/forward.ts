/** The rule of {@link Queue.forward}: a key of which one message was not stored goes no further. */

import type { Outgoing, PublishOutcome } from './transport.ts';

/** The keys of one batch that have stopped, and the answer that each of them stopped at. */
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
  if (key !== null && !isThere(outcome)) stopped.set(key, outcome);
  return outcome;
}

/**
 * The same where an answer takes its time: of a key one message at a time is under way, all keys
 * side by side. An engine may refuse one message and take the next; that one must not have been
 * sent by then.
 */
export function forwardInTurn(
  batch: readonly Outgoing[],
  publish: (outgoing: Outgoing, answered: (outcome: PublishOutcome) => void) => void,
): Promise<readonly PublishOutcome[]> {
  const { heads, next } = turnsOf(batch);
  return answersTo(batch, (answer) => {
    const send = (index: number): void =>
      publish(batch[index]!, (outcome) => {
        let following = next[index];
        answer(index, outcome);
        if (following === undefined) return;
        if (isThere(outcome)) return send(following);
        for (; following !== undefined; following = next[following]) answer(following, outcome);
      });
    for (const index of heads) send(index);
  });
}

/** One outcome per message, once the last one is known. */
export function answersTo(
  { length }: readonly Outgoing[],
  begin: (answer: (index: number, outcome: PublishOutcome) => void) => void,
): Promise<readonly PublishOutcome[]> {
  return new Promise((resolve) => {
    const outcomes: PublishOutcome[] = [];
    let left = length;
    if (left === 0) resolve(outcomes);
    begin((index, outcome) => {
      outcomes[index] = outcome;
      left -= 1;
      if (left === 0) resolve(outcomes);
    });
  });
}

interface Turns {
  /** The first message of each key, and all without one, in order. */
  readonly heads: readonly number[];
  /** Which message of the same key comes behind each. */
  readonly next: readonly (number | undefined)[];
}

function turnsOf(batch: readonly Outgoing[]): Turns {
  const heads: number[] = [];
  const next: (number | undefined)[] = batch.map(() => undefined);
  const last = new Map<string, number>();
  batch.forEach(({ key }, index) => {
    const before = key === null ? undefined : last.get(key);
    if (before === undefined) heads.push(index);
    else next[before] = index;
    if (key !== null) last.set(key, index);
  });
  return { heads, next };
}

function isThere({ kind }: PublishOutcome): boolean {
  return kind === 'stored' || kind === 'duplicate';
}
