/** Which ledgers have been counted against a message, as copies and a dead letter carry it. */

import type { Heard } from './wire-format.ts';

/** So many deaths of one message are each counted once; a copy has some 4 KiB of them at most. */
const mostHeard = 64;

/**
 * What was heard before, and what is heard now behind it: ledgers that list the message today are
 * the last to be forgotten, as they would be counted again.
 */
export function heardOf(before: readonly Heard[], now: readonly Heard[]): readonly Heard[] {
  const heard = new Map(before);
  for (const [session, number] of now) {
    const known = heard.get(session) ?? number;
    heard.delete(session);
    heard.set(session, Math.max(known, number));
  }
  return [...heard].slice(-mostHeard);
}
