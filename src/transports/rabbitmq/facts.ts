/**
 * The facts that hold, for a session at work: read from a stream of the server by every process
 * that consumes, or, with a store beside the server, asked for there.
 */

import type { Facts } from '../../transport/facts.ts';
import { createKnownFacts, type KnownFacts } from '../../transport/known-facts.ts';
import type { LaneTable } from '../../transport/lane-table.ts';
import type { FactChange, FactId, Need } from '../../transport/transport.ts';
import { cutOff } from './failures.ts';
import { createFactMemory, type FactMemoryOptions } from './fact-memory.ts';
import { startTail, type Tail, type TailOptions } from './tail.ts';

export interface FactBook {
  /** How many hold, as far as they are in memory. */
  readonly size: number;
  has(fact: FactId): boolean;
  /** Resolves when it can be relied upon; nothing else is called before. */
  begin(): Promise<void>;
  /** @throws MaloteError `ENGINE_FULL` where there is no room for what opens. */
  checkRoom(changes: readonly FactChange[]): void;
  /** Resolves when these are stored, and known here. */
  mark(changes: readonly FactChange[]): Promise<void>;
  /** Whether what is known of these does for a message that comes in. */
  isEnough(needs: readonly Need[]): boolean;
  /** Resolves when all that was confirmed before the call is known, of these at least. */
  learn(needs: readonly Need[]): Promise<void>;
  /** A lane waits for these. */
  lacking(needs: readonly Need[]): void;
  end(): void;
}

export interface FactBookOptions {
  opened(fact: FactId): void;
  tables(): Iterable<LaneTable>;
  broken(reason: string): void;
}

export function factsOnStream(
  stream: Omit<TailOptions, 'read' | 'isAwaited'>,
  { opened, tables, keepMs, most }: FactBookOptions & Pick<FactMemoryOptions, 'keepMs' | 'most'>,
): FactBook {
  const memory = createFactMemory({ keepMs, most, now: stream.now, opened });
  let tail: Tail | null = null;
  return {
    get size() {
      return memory.size;
    },
    has: (fact) => memory.has(fact),
    async begin() {
      tail = await startTail({
        ...stream,
        read: (entry, at) => memory.read(entry, at),
        isAwaited: () => [...tables()].some(({ counts }) => counts.waiting > 0),
      });
    },
    checkRoom: (changes) => memory.checkRoom(changes),
    async mark(changes) {
      memory.checkRoom(changes);
      await tail!.append(changes);
    },
    isEnough: () => true,
    learn: () => tail!.sync(),
    lacking() {},
    end: () => tail?.end(cutOff()),
  };
}

export function factsInStore(facts: Facts, { opened, tables, broken }: FactBookOptions): FactBook {
  let known: KnownFacts | null = null;
  return {
    // A store has no such limit.
    size: 0,
    checkRoom() {},
    has: (fact) => known!.has(fact),
    async begin() {
      known = createKnownFacts({
        facts,
        tables,
        opened,
        // All begins anew over the next connection, with every question.
        failed: (error) => broken(`facts could not be asked for: ${String(error)}`),
      });
    },
    mark: (changes) => facts.mark(changes),
    isEnough: (needs) => needs.length === 0,
    learn: (needs) => known!.learn(needs),
    lacking: (needs) => known!.lacking(needs),
    end: () => known?.stop(),
  };
}
