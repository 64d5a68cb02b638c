/**
 * The facts that hold, as every process that consumes reads them from one stream. Each is kept for
 * as long as its namespace says from when it was written, so that a process that has run for months
 * and one that starts now agree; the server itself forgets later, a file at a time.
 */

import { MaloteError } from '../../errors.ts';
import type { FactChange, FactId } from '../../transport/transport.ts';

export interface FactMemory {
  readonly size: number;
  has(fact: FactId): boolean;
  read(entry: unknown, writtenAt: number): void;
  /** @throws MaloteError `ENGINE_FULL` where there is no room for what opens. */
  checkRoom(changes: readonly FactChange[]): void;
}

export interface FactMemoryOptions {
  readonly keepMs: number;
  readonly most: number;
  now(): number;
  opened(fact: FactId): void;
}

export function createFactMemory({ keepMs, most, now, opened }: FactMemoryOptions): FactMemory {
  /** When each was written last, about in that order. */
  const writtenAts = new Map<FactId, number>();
  const isKept = (writtenAt: number): boolean => now() - writtenAt < keepMs;
  const forgetOld = (): void => {
    for (const [fact, writtenAt] of writtenAts) {
      if (isKept(writtenAt)) return;
      writtenAts.delete(fact);
    }
  };
  const has = (fact: FactId): boolean => {
    const writtenAt = writtenAts.get(fact);
    return writtenAt !== undefined && isKept(writtenAt);
  };
  return {
    get size() {
      forgetOld();
      return writtenAts.size;
    },
    has,
    read(entry, writtenAt) {
      forgetOld();
      if (!Array.isArray(entry)) return;
      for (const { fact, state } of entry as FactChange[]) {
        writtenAts.delete(fact);
        if (state === 'revoked' || !isKept(writtenAt)) continue;
        writtenAts.set(fact, writtenAt);
        opened(fact);
      }
    },
    checkRoom(changes) {
      const added = changes.filter(({ fact, state }) => state === 'fulfilled' && !has(fact));
      checkRoomFor(added.length, { size: this.size, most });
    },
  };
}

/** How old the answer may be that a process which reads no facts goes by. */
const freshMs = 1_000;

/** Asks those that read them how many facts hold, now and then. */
export function createFactCount(ask: () => Promise<number>, monotonic: () => number): FactCount {
  let count = 0;
  let askedAt = Number.NEGATIVE_INFINITY;
  return {
    async now() {
      if (monotonic() - askedAt > freshMs) {
        askedAt = monotonic();
        // Where nobody can be asked, what is stored next says by itself what is wrong.
        count = await ask().catch(() => count);
      }
      return count;
    },
    add: (opened) => void (count += opened),
  };
}

export interface FactCount {
  now(): Promise<number>;
  /** Opened from here, and not counted by others yet. */
  add(opened: number): void;
}

/** @throws MaloteError `ENGINE_FULL` */
export function checkRoomFor(
  added: number,
  { size, most }: { readonly size: number; readonly most: number },
): void {
  if (added === 0 || size + added <= most) return;
  throw new MaloteError(
    'ENGINE_FULL',
    `${size} facts hold, and every process that consumes has them in memory: ${added} more ` +
      `would exceed the ${most} there may be; revoke those that nobody waits for any more, ` +
      'or keep them for less with keepFacts; nothing was opened',
  );
}
