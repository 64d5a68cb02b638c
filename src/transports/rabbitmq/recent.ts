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
  /** Those of that very instant; null where they are many. */
  let atLatest: Set<string> | null = null;
  return {
    add(done) {
      const { identity, acceptedAt } = done;
      if (acceptedAt > latest) {
        latest = acceptedAt;
        atLatest = new Set();
      }
      if (acceptedAt === latest) atLatest?.add(identity);
      if (atLatest !== null && atLatest.size > 2 * least) atLatest = null;
      younger.add(done);
      if (younger.size < least) return;
      older = younger;
      younger = createNames();
    },
    has(published) {
      const { identity, acceptedAt } = published;
      if (acceptedAt > latest) return false;
      if (acceptedAt === latest && atLatest !== null) return atLatest.has(identity);
      return younger.has(published) || older.has(published);
    },
  };
}

interface Names extends Recent {
  readonly size: number;
}

/** Every message is added, and hardly one is looked for: they are sorted when it is. */
function createNames(): Names {
  const identities: string[] = [];
  const times: number[] = [];
  let sorted = 0;
  /** Of each id the publish that was done first. */
  const first = new Map<string, number>();
  const others = new Set<string>();

  function sort(identity: string, acceptedAt: number): void {
    const at = first.get(identity);
    if (at === undefined) first.set(identity, acceptedAt);
    else if (at !== acceptedAt) others.add(`${identity} ${acceptedAt}`);
  }

  return {
    get size() {
      return identities.length;
    },
    add({ identity, acceptedAt }) {
      identities.push(identity);
      times.push(acceptedAt);
    },
    has({ identity, acceptedAt }) {
      for (; sorted < identities.length; sorted++) sort(identities[sorted]!, times[sorted]!);
      const at = first.get(identity);
      if (at === undefined || at === acceptedAt) return at !== undefined;
      return others.has(`${identity} ${acceptedAt}`);
    },
  };
}
