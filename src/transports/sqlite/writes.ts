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

/** Runs a statement for many ids, sixteen at a time; answers how many rows it changed. */
export function runForEach(
  ids: readonly number[],
  { one, many }: Pick<Pair, 'one' | 'many'>,
): number {
  let changes = 0;
  let from = 0;
  for (; from + rowsPerStatement <= ids.length; from += rowsPerStatement) {
    changes += Number(many.run(...ids.slice(from, from + rowsPerStatement)).changes);
  }
  for (; from < ids.length; from++) changes += Number(one.run(ids[from]!).changes);
  return changes;
}
