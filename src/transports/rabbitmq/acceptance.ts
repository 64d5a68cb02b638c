/**
 * When a message was accepted. Its id says so, where it was made for it just now; it is told beside
 * the message only where its id does not: see `wire-format.ts`.
 *
 * Whoever publishes under the same id once more publishes later, and has to be seen to. So an id
 * counts only once, which those that were made here show by growing, and only where it was made
 * since this session began.
 */

import { timeOf } from '../../id.ts';
import type { Outgoing } from '../../transport/transport.ts';

/** How long ago an id was made at the most. */
const justMs = 1_000;

export type Acceptance = (message: Pick<Outgoing, 'id' | 'delayMs'>, now: number) => number;

export function createAcceptance(begunAt: number): Acceptance {
  let last = '';
  return ({ id, delayMs }, now) => {
    // A delay counts from now.
    if (delayMs > 0 || id <= last) return now;
    const made = timeOf(id);
    if (made === null || made < begunAt || Math.abs(now - made) > justMs) return now;
    last = id;
    return made;
  };
}
