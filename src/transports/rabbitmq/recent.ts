/**
 * The last messages that were done in a partition. A death between storing a copy and removing what
 * it was made from leaves two of one message on the server, as far apart as the queue is long: the
 * second is known by its name here, for as long as its partition stays with this process.
 */

export interface Recent {
  add(done: Published): void;
  has(published: Published): boolean;
}

/**
 * One publish among those of one id: every copy of it says when it was accepted, and whoever
 * publishes under the same id once more is accepted later.
 */
export interface Published {
  readonly identity: string;
  readonly acceptedAt: number;
}

/** Remembers the last `least` publishes at the least, and twice as many at the most. */
export function createRecent(least: number): Recent {
  let younger = createNames();
  let older = createNames();
  /** What was accepted after all that was done is none of it: nearly all that comes is that. */
  let latest = Number.NEGATIVE_INFINITY;
  return {
    add(done) {
      latest = Math.max(latest, done.acceptedAt);
      younger.add(done);
      if (younger.size < least) return;
      older = younger;
      younger = createNames();
    },
    has: (published) =>
      published.acceptedAt <= latest && (younger.has(published) || older.has(published)),
  };
}

function createNames(): Recent & { readonly size: number } {
  /** Of each id the publish that was done first. */
  const first = new Map<string, number>();
  const others = new Set<string>();
  return {
    get size() {
      return first.size + others.size;
    },
    add({ identity, acceptedAt }) {
      const at = first.get(identity);
      if (at === undefined) first.set(identity, acceptedAt);
      else if (at !== acceptedAt) others.add(`${identity} ${acceptedAt}`);
    },
    has({ identity, acceptedAt }) {
      const at = first.get(identity);
      if (at === undefined || at === acceptedAt) return at !== undefined;
      return others.has(`${identity} ${acceptedAt}`);
    },
  };
}
