/**
 * Facts of this file for messages of another engine: who follows is told of every change, from a
 * log that is written as soon as anybody follows.
 *
 * The log is short. Who was away for longer than it reaches is told that it missed something.
 */

import type { FactFollower, Facts, Following } from '../../transport/facts.ts';
import type { FactChange, FactId } from '../../transport/transport.ts';
import type { Session } from './session.ts';

export interface FollowingOptions {
  mark(changes: readonly FactChange[]): Promise<void>;
  /** Runs something inside the next turn. */
  run<Answer>(inside: (session: Session) => Answer): Promise<Answer>;
  /** At once, in a transaction that reads. */
  readNow<Answer>(look: (session: Session) => Answer): Answer;
}

export interface FollowedFacts {
  readonly facts: Facts;
  /** Something may have changed in the file. */
  look(): void;
}

interface Follower {
  readonly follower: FactFollower;
  /** Null until the log is written. */
  position: number | null;
}

/** Who is further behind asks for all it knows: that is not more work. */
const pageRows = 1_000;

export function followFacts(options: FollowingOptions): FollowedFacts {
  const { run, readNow } = options;
  const followers = new Set<Follower>();

  async function begin(one: Follower): Promise<void> {
    const position = await run(startLog);
    one.position ??= position;
  }

  /** Tells what changed since it was last told, then how these stand, all of one instant. */
  function tell(one: Follower, asked: readonly FactId[]): void {
    const { changes, hasMissed, position } = readNow((inside) => {
      const seen = changesSince(inside, one.position!);
      const stands = asked.map((fact): FactChange => {
        const holds = inside.ledger.facts.holds.get(fact) !== undefined;
        return { fact, state: holds ? 'fulfilled' : 'revoked' };
      });
      return { ...seen, changes: [...seen.changes, ...stands] };
    });
    one.position = position;
    if (changes.length > 0) one.follower.told(changes);
    if (hasMissed) one.follower.missed();
  }

  function follow(follower: FactFollower): Following {
    const one: Follower = { follower, position: null };
    followers.add(one);
    const begun = begin(one);
    begun.catch(() => undefined);
    return {
      async ask(facts) {
        await begun;
        tell(one, facts);
      },
      stop: () => void followers.delete(one),
    };
  }

  return {
    facts: { mark: options.mark, follow },
    look() {
      for (const one of followers) {
        if (one.position === null) continue;
        try {
          tell(one, nothing);
        } catch {
          // The next look sees it: after a ring, a turn, or a poll.
        }
      }
    },
  };
}

const nothing: readonly FactId[] = [];

/** From this turn on every change is written down. Answers where the log ends. */
function startLog({ ledger }: Session): number {
  ledger.facts.followed.run();
  return ledger.facts.logEnds.get()![1];
}

interface Seen {
  readonly changes: readonly FactChange[];
  readonly hasMissed: boolean;
  readonly position: number;
}

function changesSince({ ledger: { facts } }: Session, from: number): Seen {
  const [first, position] = facts.logEnds.get()!;
  const hasMissed = position > from && (first > from + 1 || position - from > pageRows);
  if (position === from || hasMissed) return { changes: [], hasMissed, position };
  const changes = facts.changesAfter.all(from, pageRows).map(([fact, isOpen]): FactChange => {
    return { fact, state: isOpen === 1 ? 'fulfilled' : 'revoked' };
  });
  return { changes, hasMissed, position };
}
