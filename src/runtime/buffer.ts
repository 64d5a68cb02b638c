/**
 * Deliveries that wait for a free slot in this process: lanes and loose messages, the one with the
 * oldest next message first.
 *
 * A lane's next message is offered only after the one before it was concluded. Between two
 * messages of one lane every older head of another goes first, so that no long lane holds a slot
 * while others wait (list scheduling by head age; see Graham, "Bounds on Multiprocessing Timing
 * Anomalies", 1969).
 */

import { createHeap, type HeapItem, heapPush, heapRemove } from '../transport/heap.ts';
import type { Delivery, Lease } from '../transport/transport.ts';

/** The deliveries of one lane lease, oldest first. */
export interface Lane extends HeapItem {
  readonly deliveries: readonly Delivery[];
  /** Index of the next one to run. */
  next: number;
}

export interface Waiting {
  readonly delivery: Delivery;
  readonly lane: Lane | null;
}

export interface Buffer {
  /** Takes a batch as the transport hands it over. */
  add(batch: readonly Delivery[]): void;
  /** Puts a lane back whose next message may run now. */
  resume(lane: Lane): void;
  /** The oldest head, or undefined. */
  take(): Waiting | undefined;
  /** Drops what is covered by the lease; answers how many deliveries that were. */
  drop(lease: Lease): number;
  /** Empties the buffer: the first delivery of every lane and every loose one. */
  drain(): readonly Waiting[];
  /** Lanes and loose deliveries in it. */
  readonly size: number;
}

/** A waiting delivery and what is behind it in its lane. */
export function sizeOf({ lane }: Waiting): number {
  return lane === null ? 1 : 1 + lane.deliveries.length - lane.next;
}

export function createBuffer(): Buffer {
  const lanes = createHeap<Lane>();
  let arrivals = 0;
  let loose: Delivery[] = [];
  let first = 0;

  function resume(lane: Lane): void {
    if (lane.next >= lane.deliveries.length) return;
    lane.at = headOf(lane).acceptedAt;
    heapPush(lanes, lane);
  }

  function takeLoose(): Waiting {
    const delivery = loose[first]!;
    first += 1;
    if (first === loose.length) [loose, first] = [[], 0];
    return { delivery, lane: null };
  }

  function takeLane(): Waiting {
    const lane = lanes.items[0]!;
    heapRemove(lanes, lane);
    const delivery = headOf(lane);
    lane.next += 1;
    return { delivery, lane };
  }

  return {
    resume,
    add(batch) {
      for (let index = 0; index < batch.length; ) {
        const delivery = batch[index]!;
        if (delivery.key === null) {
          loose.push(delivery);
          index += 1;
          continue;
        }
        const end = endOfLease(batch, index);
        arrivals += 1;
        const deliveries = batch.slice(index, end);
        resume({ deliveries, next: 0, at: 0, order: arrivals, position: -1 });
        index = end;
      }
    },
    take() {
      const lane = lanes.items[0];
      const delivery = loose[first];
      if (lane === undefined) return delivery === undefined ? undefined : takeLoose();
      if (delivery === undefined) return takeLane();
      return headOf(lane).acceptedAt <= delivery.acceptedAt ? takeLane() : takeLoose();
    },
    drop(lease) {
      const kept = loose.slice(first).filter((delivery) => delivery.lease.id !== lease.id);
      let dropped = loose.length - first - kept.length;
      [loose, first] = [kept, 0];
      for (const lane of [...lanes.items]) {
        if (headOf(lane).lease.id !== lease.id) continue;
        heapRemove(lanes, lane);
        dropped += lane.deliveries.length - lane.next;
      }
      return dropped;
    },
    drain() {
      const waiting: Waiting[] = [];
      while (first < loose.length) waiting.push(takeLoose());
      while (lanes.items.length > 0) waiting.push(takeLane());
      return waiting;
    },
    get size() {
      return loose.length - first + lanes.items.length;
    },
  };
}

function headOf(lane: Lane): Delivery {
  return lane.deliveries[lane.next]!;
}

function endOfLease(batch: readonly Delivery[], start: number): number {
  const { id } = batch[start]!.lease;
  let end = start + 1;
  while (end < batch.length && batch[end]!.lease.id === id) end += 1;
  return end;
}
