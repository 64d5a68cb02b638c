/**
 * Publishes that wait for room in a full subscription, one line per topic, first come first served.
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

export interface RoomLine<Waiter extends InLine> {
  /** Stands at the end, if anybody of its topic waits; answers whether. */
  join(waiter: Waiter): boolean;
  /** The subscription that those of this topic wait for; undefined when nobody waits. */
  waitsFor(topic: string): string | undefined;
  /** Asked in vain: stands where its order says. */
  add(waiter: Waiter, subscription: string): void;
  /** There may be room for as many. */
  roomMade(messages: number): void;
  /** Empties the line. */
  drain(): readonly Waiter[];
}

interface TopicLine<Waiter> {
  waiters: Waiter[];
  /** The subscription that was full when one of them last asked. */
  subscription: string;
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
  const lines = new Map<string, TopicLine<Waiter>>();
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
    for (const [topic, line] of lines) {
      const staying: Waiter[] = [];
      const gone: Waiter[] = [];
      for (const waiter of line.waiters) (mayWait(waiter) ? staying : gone).push(waiter);
      line.waiters = staying;
      if (staying.length === 0) lines.delete(topic);
      for (const waiter of gone) refuse(waiter, line.subscription);
    }
  }

  function letIn(count: number): void {
    for (const [topic, { waiters }] of lines) {
      const first = waiters.splice(0, count);
      if (waiters.length === 0) lines.delete(topic);
      for (const waiter of first) ask(waiter);
    }
  }

  return {
    join(waiter) {
      const line = lines.get(waiter.topic);
      line?.waiters.push(waiter);
      return line !== undefined;
    },
    waitsFor: (topic) => lines.get(topic)?.subscription,
    add(waiter, subscription) {
      probe = leastProbe;
      const line = lines.get(waiter.topic);
      if (line === undefined) lines.set(waiter.topic, { waiters: [waiter], subscription });
      else {
        line.waiters.splice(placeOf(waiter, line.waiters), 0, waiter);
        line.subscription = subscription;
      }
      arm();
    },
    roomMade(messages) {
      if (lines.size > 0) letIn(messages);
    },
    drain() {
      const all = [...lines.values()].flatMap(({ waiters }) => waiters);
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
