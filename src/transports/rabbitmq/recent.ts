/**
 * The last messages that were done in a partition. A death between storing a copy and removing what
 * it was made from leaves two of one message on the server, as far apart as the queue is long: the
 * second is known by its name here, for as long as its partition stays with this process.
 */

export interface Recent {
  add(name: string): void;
  has(name: string): boolean;
}

/** Remembers the last `least` names at the least, and twice as many at the most. */
export function createRecent(least: number): Recent {
  let younger = new Set<string>();
  let older = new Set<string>();
  return {
    add(name) {
      younger.add(name);
      if (younger.size < least) return;
      older = younger;
      younger = new Set();
    },
    has: (name) => younger.has(name) || older.has(name),
  };
}
