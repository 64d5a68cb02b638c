/**
 * What a broker's connection knows of facts that are kept elsewhere: how those stand that its own
 * messages need, and no others, so that facts cost no memory where nobody waits for them.
 *
 * Whoever takes a message in asks for its facts before a lane table sees it. A lane that is found
 * to lack a fact nobody has asked for waits, and the question is asked then. A fact is known of
 * from before its question on, and every change of what is known is told: a fact that opens at any
 * moment is in the answer or in a change.
 */

import { factsIn } from '../message/need.ts';
import type { Facts, Following } from './facts.ts';
import type { LaneTable } from './lane-table.ts';
import type { FactChange, FactId, Need } from './subscription.ts';

export interface KnownFacts {
  has(fact: FactId): boolean;
  /** Resolves when it is known how these stand now. */
  learn(needs: readonly Need[]): Promise<void>;
  /** A lane waits for these: those that nobody has asked for are asked for. */
  lacking(needs: readonly Need[]): void;
  stop(): void;
}

export interface KnownFactsOptions {
  readonly facts: Facts;
  /** Of all that is here. */
  tables(): Iterable<LaneTable>;
  /** A fact holds that was not known to. */
  opened(fact: FactId): void;
  /** A question was not answered: lanes may wait for what holds, until it is asked again. */
  failed(error: unknown, again: () => void): void;
}

/** With fewer facts known nothing is looked through. */
const fewestToSweep = 10_000;

export function createKnownFacts(options: KnownFactsOptions): KnownFacts {
  const known = new Map<FactId, boolean>();
  /** What nothing here needed when it was last looked. */
  let idle: ReadonlySet<FactId> = new Set();
  let sweepAt = fewestToSweep;
  let unasked: Set<FactId> | null = null;
  let isStopped = false;
  const following: Following = options.facts.follow({
    told,
    missed() {
      askAgain([...known.keys()]);
    },
  });

  function told(facts: readonly FactChange[]): void {
    if (isStopped) return;
    for (const { fact, state } of facts) {
      const before = known.get(fact);
      if (before === undefined) continue;
      known.set(fact, state === 'fulfilled');
      if (state === 'fulfilled' && !before) options.opened(fact);
    }
  }

  function ask(facts: readonly FactId[]): Promise<void> {
    // Known of before it is asked for: a change between is told.
    for (const fact of facts) if (!known.has(fact)) known.set(fact, false);
    if (known.size > sweepAt) sweep(new Set(facts));
    return following.ask(facts);
  }

  /** Forgets what nothing needed, now and the last time: what is on its way here is needed soon. */
  function sweep(needed: Set<FactId>): void {
    for (const { byTag } of options.tables()) {
      for (const { needs, story } of byTag.values()) {
        for (const fact of needs.flatMap(factsIn)) needed.add(fact);
        for (const fact of (story?.parkedFor ?? nothing).flatMap(factsIn)) needed.add(fact);
      }
    }
    const unneeded = [...known.keys()].filter((fact) => !needed.has(fact));
    for (const fact of unneeded) if (idle.has(fact)) known.delete(fact);
    idle = new Set(unneeded);
    sweepAt = Math.max(fewestToSweep, 2 * known.size);
  }

  function askAgain(facts: readonly FactId[]): void {
    if (isStopped) return;
    ask(facts).catch((error: unknown) => {
      if (!isStopped) options.failed(error, () => askAgain(facts));
    });
  }

  function askUnasked(): void {
    const facts = [...(unasked ?? nothing)];
    unasked = null;
    askAgain(facts);
  }

  return {
    has: (fact) => known.get(fact) === true,
    async learn(needs) {
      const facts = new Set(needs.flatMap(factsIn));
      if (facts.size > 0) await ask([...facts]);
    },
    lacking(needs) {
      const strange = needs.flatMap(factsIn).filter((fact) => !known.has(fact));
      if (strange.length === 0) return;
      // Not within the step that found it: the answer wakes lanes.
      if (unasked === null) void Promise.resolve().then(askUnasked);
      unasked = new Set([...(unasked ?? nothing), ...strange]);
    },
    stop() {
      isStopped = true;
      following.stop();
    },
  };
}

const nothing: readonly FactId[] = [];
