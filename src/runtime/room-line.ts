/**
 * Publishes that wait for room in a full subscription, one line per topic, first come first served.
 *
 * Only as many go in again as there may be room for: were the whole line to ask each time that
 * something was settled, every message would cost as much as there are others waiting.
 */

export interface InLine {
  /** Grows with every call of publish. */
  readonly order: number;
  readonly topic: string;
}

export interface RoomLine<Waiter extends InLine> {
  /** Takes a place by its order: whoever asked in vain stands where it stood. */
  add(waiter: Waiter, subscription: string): void;
  /** The subscription that was full when last asked; undefined while nobody of the topic waits. */
  fullFor(topic: string): string | undefined;
  /** Takes out the first `count` of every topic. */
  take(count: number): Waiter[];
  /** Takes out whoever does not wait any more, with the subscription that was full. */
  sweep(waits: (waiter: Waiter) => boolean): readonly (readonly [Waiter, string])[];
  readonly size: number;
}

interface TopicLine<Waiter> {
  readonly waiters: Waiter[];
  subscription: string;
}

export function createRoomLine<Waiter extends InLine>(): RoomLine<Waiter> {
  const lines = new Map<string, TopicLine<Waiter>>();
  let size = 0;

  function lineOf(topic: string, subscription: string): TopicLine<Waiter> {
    let line = lines.get(topic);
    if (line === undefined) {
      line = { waiters: [], subscription };
      lines.set(topic, line);
    }
    line.subscription = subscription;
    return line;
  }

  return {
    add(waiter, subscription) {
      const { waiters } = lineOf(waiter.topic, subscription);
      let at = waiters.length;
      // Newcomers stand at the end, whoever comes back at the front.
      if (at > 0 && waiters[at - 1]!.order > waiter.order) at = placeOf(waiter, waiters);
      if (at === waiters.length) waiters.push(waiter);
      else waiters.splice(at, 0, waiter);
      size += 1;
    },
    fullFor: (topic) => lines.get(topic)?.subscription,
    take(count) {
      const taken: Waiter[] = [];
      for (const [topic, { waiters }] of lines) {
        taken.push(...waiters.splice(0, count));
        if (waiters.length === 0) lines.delete(topic);
      }
      size -= taken.length;
      return taken;
    },
    sweep(waits) {
      const gone: [Waiter, string][] = [];
      for (const [topic, { waiters, subscription }] of lines) {
        const staying = waiters.filter((waiter) => {
          const stays = waits(waiter);
          if (!stays) gone.push([waiter, subscription]);
          return stays;
        });
        if (staying.length === 0) lines.delete(topic);
        else if (staying.length < waiters.length) {
          lines.set(topic, { waiters: staying, subscription });
        }
      }
      size -= gone.length;
      return gone;
    },
    get size() {
      return size;
    },
  };
}

/** The index of the first that came later. */
function placeOf<Waiter extends InLine>({ order }: Waiter, waiters: readonly Waiter[]): number {
  let low = 0;
  let high = waiters.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (waiters[middle]!.order > order) high = middle;
    else low = middle + 1;
  }
  return low;
}
