/**
 * Rows that are gathered and then written many at a time: the ordinary message, the ordinary lane,
 * and the end of both. One statement for sixteen rows costs two thirds of sixteen statements.
 *
 * Nothing may read these tables before {@link Writes.flush}; the turn flushes between its steps.
 */

import type { laneTexts } from './statements/lanes.ts';
import { type messageTexts, valuesPerMessage } from './statements/messages.ts';
import { type Prepared, rowsPerStatement, type Statement, type Value } from './statements/sql.ts';
import { valuesPerLane } from './statements/lanes.ts';

export interface Writes {
  /** Flat rows of `messageTexts.add`. */
  readonly messages: Gathering;
  /** Flat rows of `laneTexts.addHot`. */
  readonly lanes: Gathering;
  flush(): void;
  /** Forgets what was not written, as its transaction is rolled back. */
  drop(): void;
}

export interface Gathering {
  readonly values: Value[];
  /** To be called after each whole row. */
  grown(): void;
}

export function createWrites(
  messages: Prepared<typeof messageTexts>,
  lanes: Prepared<typeof laneTexts>,
): Writes {
  const parts = [
    gather({ one: messages.add, many: messages.addMany, width: valuesPerMessage }),
    gather({ one: lanes.addHot, many: lanes.addHotMany, width: valuesPerLane }),
  ] as const;
  return {
    messages: parts[0],
    lanes: parts[1],
    flush() {
      for (const part of parts) part.flush();
    },
    drop() {
      for (const part of parts) part.values.length = 0;
    },
  };
}

interface Pair {
  readonly one: Statement<readonly []>;
  readonly many: Statement<readonly []>;
  readonly width: number;
}

function gather({ one, many, width }: Pair): Gathering & { flush(): void } {
  const values: Value[] = [];
  const full = width * rowsPerStatement;
  return {
    values,
    grown() {
      if (values.length < full) return;
      many.run(...values);
      values.length = 0;
    },
    flush() {
      for (let from = 0; from < values.length; from += width) {
        one.run(...values.slice(from, from + width));
      }
      values.length = 0;
    },
  };
}

/** Statements for one id, for {@link rowsPerStatement}, and for all from one to another. */
interface ByIds {
  readonly one: Statement<readonly []>;
  readonly many: Statement<readonly []>;
  readonly range: Statement<readonly []>;
}

/** A run of ids without a gap is cheaper as a range from here on. */
const shortestRange = 6;

/** Runs a statement for many ids, as few times as will do; answers how many rows it changed. */
export function runForEach(ids: readonly number[], { one, many, range }: ByIds): number {
  const sorted = ids.toSorted((a, b) => a - b);
  const scattered: number[] = [];
  let changes = 0;
  for (let from = 0, to = 1; from < sorted.length; from = to, to += 1) {
    const first = sorted[from]!;
    while (sorted[to] === first + to - from) to += 1;
    if (to - from < shortestRange) scattered.push(...sorted.slice(from, to));
    else changes += Number(range.run(first, sorted[to - 1]!).changes);
  }
  let from = 0;
  for (; from + rowsPerStatement <= scattered.length; from += rowsPerStatement) {
    changes += Number(many.run(...scattered.slice(from, from + rowsPerStatement)).changes);
  }
  for (; from < scattered.length; from++) changes += Number(one.run(scattered[from]!).changes);
  return changes;
}
