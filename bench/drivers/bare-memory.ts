/**
 * What remains of an in-memory engine when everything malote adds is taken away: bodies as JSON in
 * an array, handed out once per turn of the event loop, each acknowledged. No retries, no ids, no
 * time-outs, no leases, no look at what happens.
 */

import type { Order } from '../load.ts';
import type { Driver, DriverOptions } from './driver.ts';

export async function openBareMemory({ settings, handle }: DriverOptions): Promise<Driver> {
  let bodies: string[] = [];
  let running = 0;
  let started = false;
  let scheduled = false;

  function schedule(): void {
    if (scheduled || !started) return;
    scheduled = true;
    setImmediate(turn);
  }

  function turn(): void {
    scheduled = false;
    const taken = bodies.splice(0, settings.concurrency - running);
    running += taken.length;
    for (const body of taken) handle(JSON.parse(body) as Order, 1).then(acknowledge, fail);
  }

  function acknowledge(): void {
    running -= 1;
    if (bodies.length > 0) schedule();
  }

  return {
    async publish(order) {
      bodies.push(JSON.stringify(order));
      schedule();
    },
    async start() {
      started = true;
      schedule();
    },
    held: async () => bodies.length + running,
    async close() {
      bodies = [];
    },
  };
}

function fail(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
