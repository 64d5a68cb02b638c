/** How many handlers of one message type may run at once, within a consumer's slots. */

import type { Lease } from '../transport/transport.ts';
import { sizeOf, type Waiting } from './buffer.ts';

export interface TypeLimits {
  /** Takes a slot of its type; false when that is full, and then keeps the delivery. */
  enter(waiting: Waiting): boolean;
  leave(topic: string): void;
  /** A kept delivery whose type has a free slot again, oldest first. */
  freed(): Waiting | undefined;
  /** How many of the kept ones may start now, at most one of each type. */
  readonly freeable: number;
  drop(lease: Lease): number;
  drain(): readonly Waiting[];
  /** Deliveries kept, with what is behind them: they must not use up the consumer's window. */
  readonly held: number;
}

export function createTypeLimits(limits: ReadonlyMap<string, number>): TypeLimits {
  const running = new Map<string, number>();
  const kept = new Map<string, Waiting[]>();
  let held = 0;

  function hasRoom(topic: string): boolean {
    const limit = limits.get(topic);
    return limit === undefined || (running.get(topic) ?? 0) < limit;
  }

  function keep(waiting: Waiting): void {
    const { topic } = waiting.delivery;
    const line = kept.get(topic);
    if (line === undefined) kept.set(topic, [waiting]);
    else line.push(waiting);
    held += sizeOf(waiting);
  }

  function count(topic: string, change: number): void {
    if (limits.has(topic)) running.set(topic, (running.get(topic) ?? 0) + change);
  }

  return {
    enter(waiting) {
      const { topic } = waiting.delivery;
      if (!hasRoom(topic)) {
        keep(waiting);
        return false;
      }
      count(topic, 1);
      return true;
    },
    leave: (topic) => count(topic, -1),
    freed() {
      if (held === 0) return undefined;
      for (const [topic, line] of kept) {
        if (line.length === 0 || !hasRoom(topic)) continue;
        const waiting = line.shift()!;
        held -= sizeOf(waiting);
        return waiting;
      }
      return undefined;
    },
    get freeable() {
      if (held === 0) return 0;
      return [...kept].filter(([topic, { length }]) => length > 0 && hasRoom(topic)).length;
    },
    drop(lease) {
      let dropped = 0;
      for (const [topic, line] of kept) {
        const others = line.filter(({ delivery }) => delivery.lease.id !== lease.id);
        for (const waiting of line) if (!others.includes(waiting)) dropped += sizeOf(waiting);
        kept.set(topic, others);
      }
      held -= dropped;
      return dropped;
    },
    drain() {
      const all = [...kept.values()].flat();
      kept.clear();
      held = 0;
      return all;
    },
    get held() {
      return held;
    },
  };
}
