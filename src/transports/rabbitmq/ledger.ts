/**
 * The list of everything a session has out, as it is told to the clerk: the whole list now and
 * then, and in between only what was added to it and what was taken off. So a message costs the
 * same however many are out beside it.
 *
 *     whole 7: a b c     added 8: d     added 9: e, taken off: a b     …     whole 23: e f g
 */

import type { LedgerEntry } from './clerk.ts';
import type { Source } from './hold.ts';

export interface Ledger {
  /** How many messages the last entry leaves on the list. */
  readonly size: number;
  /** It lists something that is not out any more. */
  readonly isStale: boolean;
  /** It lists one message at the most, which a death may be held against: it was the first one. */
  readonly isHarmless: boolean;
  /** What goes to the clerk now that these are handed out too. */
  next(handed: Iterable<Source>): LedgerEntry;
  /** The number that the entry was written under. */
  written(number: number): void;
  /** An entry may not have arrived: the next one is the whole list. */
  failed(): void;
}

/** The clerk keeps what it was told since the last whole list: at most so many entries. */
const mostContinued = 32;

export function createLedger(hashOf: (source: Source) => number): Ledger {
  const listed: Source[] = [];
  let last: number | null = null;
  let continued = 0;
  let told = 0;

  function takeOff(): number[] {
    const removed: number[] = [];
    let left = 0;
    for (const source of listed) {
      if (isOut(source)) {
        listed[left] = source;
        left += 1;
        continue;
      }
      source.isListed = false;
      removed.push(source.hash);
    }
    listed.length = left;
    return removed;
  }

  function add(handed: Iterable<Source>): number[] {
    const added: number[] = [];
    for (const source of handed) {
      if (source.isListed || !isOut(source)) continue;
      source.isListed = true;
      if (Number.isNaN(source.hash)) source.hash = hashOf(source);
      listed.push(source);
      added.push(source.hash);
    }
    return added;
  }

  return {
    get size() {
      return listed.length;
    },
    get isStale() {
      return !listed.every(isOut);
    },
    get isHarmless() {
      return listed.length === 0 || (listed.length === 1 && !listed[0]!.isCareful);
    },
    next(handed) {
      const removed = takeOff();
      const added = add(handed);
      told += added.length + removed.length;
      continued += 1;
      // By then the whole list is no longer than what it replaces.
      if (last === null || continued > mostContinued || told >= listed.length) {
        [continued, told] = [0, 0];
        return { after: null, added: listed.map(({ hash }) => hash), removed: [] };
      }
      return { after: last, added, removed };
    },
    written(number) {
      last = number;
    },
    failed() {
      last = null;
    },
  };
}

/**
 * It is at work; or it is done, and a copy of it is still to come, which the next owner would
 * take for one that nobody had begun.
 */
function isOut({ hold, entry, isDone, isCopying }: Source): boolean {
  return isDone ? isCopying && hold.isOpen : entry !== null && entry.lease !== null;
}
