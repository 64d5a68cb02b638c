/**
 * Starts a {@link Consumer}: it grants, collects what is delivered, and waits for a number of
 * deliveries or for their absence.
 */

import assert from 'node:assert/strict';
import type { Delivery, Lease, Queue } from '../../transport/transport.ts';
import type { Consumer, ConsumerDemand, Harness } from './harness.ts';
import { idsOf } from './settlements.ts';

export interface ConsumerOptions {
  readonly name: string;
  readonly queue: Queue;
  readonly subscription: string;
  readonly demand: ConsumerDemand;
}

const usualSlots = 100;

export function startConsumer(harness: Harness, options: ConsumerOptions): Consumer {
  const { name, queue, subscription, demand } = options;
  const received: Delivery[] = [];
  const lost: Lease[] = [];
  let granted = 0;
  let asked = 0;
  let ending: string | null = null;

  const deliver = (batch: readonly Delivery[]): void => {
    received.push(...batch);
    demand.hear?.(batch);
    harness.watch.delivered(name, batch);
    if (ending !== null)
      harness.watch.violation(`${idsOf(batch).join()} came after the end of ${ending}`);
    if (received.length > granted) {
      harness.watch.violation(`${name} granted ${granted} and was given ${received.length}`);
    }
  };
  const lose = (leases: readonly Lease[]): void => {
    lost.push(...leases);
    harness.watch.lost(name, leases);
  };
  const slots = demand.slots ?? usualSlots;
  const consumption = queue.consume(subscription, { slots }, { deliver, lost: lose });

  const consumer: Consumer = {
    received,
    lost,
    grant(messages) {
      granted += messages;
      consumption.grant(messages);
    },
    async next(count) {
      await harness.until(
        () => received.length - asked >= count,
        () => missing(subscription, count, received.slice(asked)),
      );
      asked += count;
      return received.slice(asked - count, asked);
    },
    receive(count) {
      consumer.grant(count);
      return consumer.next(count);
    },
    async upTo(count) {
      // At once: what is granted after the first of a key has come waits for its lease to end.
      consumer.grant(count);
      const first = await consumer.next(1);
      await harness.quiet();
      return [...first, ...consumer.pending()];
    },
    async one() {
      const [delivery] = await consumer.receive(1);
      assert.ok(delivery);
      return delivery;
    },
    async nothing() {
      await harness.quiet();
      const came = idsOf(received.slice(asked));
      assert.deepEqual(came, [], `nothing more should come from ${subscription}`);
    },
    pending() {
      const come = received.slice(asked);
      asked = received.length;
      return come;
    },
    stop() {
      consumption.stop();
      ending = 'the consumption';
    },
    ended: (why) => void (ending ??= why),
  };
  return consumer;
}

function missing(subscription: string, count: number, came: readonly Delivery[]): string {
  const what = came.length === 0 ? 'nothing' : idsOf(came.slice(0, 20)).join(', ');
  return `${subscription} should have delivered ${count} more, it delivered ${what}`;
}
