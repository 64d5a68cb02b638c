/**
 * Publishes that wait for room, one line per full subscription, first come first served.
 *
 * Only as many go in again as there may be room for: were the whole line to ask each time that
 * something was settled, every message would cost as much as there are others waiting. Room that
 * other processes make tells nobody; for that the first of each line ask every now and then, twice
 * as many each time, as long as nobody asks in vain.
 */

import type { Clock } from '../clock.ts';

export interface InLine {
  /** Grows with every call of publish. */
  readonly order: number;
  readonly topic: string;
}

/** A subscription without room, and the topics that go there. */
export interface Full {
  readonly subscription: string;
  readonly topics: readonly string[];
}

export interface RoomLine<Waiter extends InLine> {
  /** Stands where its order says, if anybody of its topic waits; answers whether. */
  join(waiter: Waiter): boolean;
  /** The full subscription that others of this topic wait for; undefined when nobody does. */
  waitsFor(topic: string): string | undefined;
  /** Asked in vain: stands where its order says. */
  add(waiter: Waiter, full: Full): void;
  /** There may be room for as many. */
  roomMade(messages: number): void;
  /** Empties the line. */
  drain(): readonly Waiter[];
}

const pollMs = 20;
const [leastProbe, mostProbe] = [16, 1_024];

export function createRoomLine<Waiter extends InLine>(options: {
  clock: Clock;
  /** Whether its time and its signal let it wait on. */
  mayWait(waiter: Waiter): boolean;
  /** Lets it in again; it may come back. */
  ask(waiter: Waiter): void;
  refuse(waiter: Waiter, subscription: string): void;
}): RoomLine<Waiter> {
  const { clock, mayWait, ask, refuse } = options;
  const lines = new Map<string, Waiter[]>();
  /** By topic, the subscription of it that was found full last. */
  const fullFor = new Map<string, string>();
  let probe = leastProbe;
  let pollArmed = false;

  function arm(): void {
    if (pollArmed || lines.size === 0) return;
    pollArmed = true;
    clock.setTimer(poll, pollMs);
  }

  function poll(): void {
    pollArmed = false;
    sweep();
    const asking = probe;
    probe = Math.min(mostProbe, probe * 2);
    letIn(asking);
    arm();
  }

  function sweep(): void {
    for (const [subscription, waiters] of lines) {
      const staying: Waiter[] = [];
      const gone: Waiter[] = [];
      for (const waiter of waiters) (mayWait(waiter) ? staying : gone).push(waiter);
      if (staying.length === 0) lines.delete(subscription);
      else lines.set(subscription, staying);
      for (const waiter of gone) refuse(waiter, subscription);
    }
  }

  function letIn(count: number): void {
    const first: Waiter[] = [];
    for (const [subscription, waiters] of lines) {
      first.push(...waiters.splice(0, count));
      if (waiters.length === 0) lines.delete(subscription);
    }
    first.sort((a, b) => a.order - b.order);
    for (const waiter of first) ask(waiter);
  }

  function waitsFor(topic: string): string | undefined {
    const subscription = fullFor.get(topic);
    return subscription !== undefined && lines.has(subscription) ? subscription : undefined;
  }

  function stand(waiter: Waiter, subscription: string): void {
    const waiters = lines.get(subscription);
    if (waiters === undefined) lines.set(subscription, [waiter]);
    else waiters.splice(placeOf(waiter, waiters), 0, waiter);
  }

  return {
    join(waiter) {
      const subscription = waitsFor(waiter.topic);
      if (subscription !== undefined) stand(waiter, subscription);
      return subscription !== undefined;
    },
    waitsFor,
    add(waiter, { subscription, topics }) {
      probe = leastProbe;
      for (const topic of topics) fullFor.set(topic, subscription);
      stand(waiter, subscription);
      arm();
    },
    roomMade(messages) {
      if (lines.size > 0) letIn(messages);
    },
    drain() {
      const all = [...lines.values()].flat();
      lines.clear();
      return all;
    },
  };
}

/** The index of the first that came later; most often the end, or the front. */
function placeOf<Waiter extends InLine>({ order }: Waiter, waiters: readonly Waiter[]): number {
  if ((waiters.at(-1)?.order ?? 0) < order) return waiters.length;
  let low = 0;
  let high = waiters.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (waiters[middle]!.order > order) high = middle;
    else low = middle + 1;
  }
  return low;
}
