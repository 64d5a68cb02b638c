/**
 * An engine that tells how many messages its process has in hand: those that were delivered to it,
 * and of which the engine has not answered yet what became of them.
 */
import type { Engine, Queue, Settlement } from '../../src/transport/transport.ts';

/** @param tell - hears of every delivery before it is handled */
export function tellingInHand(engine: Engine, tell: (messages: number) => void): Engine {
  return {
    ...engine,
    async open(host) {
      const transport = await engine.open(host);
      return { ...transport, queue: watched(transport.queue, tell) };
    },
  };
}

function watched(queue: Queue, tell: (messages: number) => void): Queue {
  /** Of each lease, the messages that are out by it. */
  const inHand = new Map<number, Set<number>>();

  function settled({ kind, delivery: { lease, tag, key } }: Settlement): void {
    const ofLease = inHand.get(lease.id);
    ofLease?.delete(tag);
    // A message of a key that is not done takes back what is behind it.
    const isOver = ofLease?.size === 0 || (kind !== 'ack' && key !== null);
    if (isOver) inHand.delete(lease.id);
  }

  return {
    ...queue,
    consume: (subscription, demand, sink) =>
      queue.consume(subscription, demand, {
        lost(leases) {
          for (const { id } of leases) inHand.delete(id);
          sink.lost(leases);
        },
        deliver(batch) {
          for (const { lease, tag } of batch) {
            const ofLease = inHand.get(lease.id) ?? new Set();
            inHand.set(lease.id, ofLease.add(tag));
          }
          tell([...inHand.values()].reduce((sum, { size }) => sum + size, 0));
          sink.deliver(batch);
        },
      }),
    async settle(batch) {
      const outcomes = await queue.settle(batch);
      for (const [index, settlement] of batch.entries()) {
        if (outcomes[index] !== 'full') settled(settlement);
      }
      return outcomes;
    },
  };
}
