/**
 * A handler that takes its time, and thousands of messages of its key behind it: the others of its
 * partition are handled all the while, in every subscription.
 */
import assert from 'node:assert/strict';
import { type Bus, createBus, message } from 'malote';
import { test } from 'vitest';
import { byHand } from '../runtime/support.ts';
import { namespaces } from './namespace.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

interface Job {
  readonly key: string;
  readonly number: number;
}

const asked = message<Job>('job.asked', { orderBy: ({ key }) => key });
const behind = 5_000;
const others = 200;
const subscriptions = ['first', 'second'];

overRabbitmq((server) => {
  const all = namespaces(server);

  test('5,000 messages behind a slow handler keep no other key of the partition waiting', {
    timeout: 120_000,
  }, async () => {
    const subject = all.engine({ partitions: 1 });
    await using bus = createBus({ engine: subject.make(), handleSignals: false, logger: false });
    for (const name of subscriptions) await bus.subscribe(name, asked);
    await publish(bus, behind, () => 'slow');
    const gate = byHand();
    const begun = counts();
    const handled = counts();
    const slow = new Map<string, number[]>(subscriptions.map((name) => [name, []]));
    for (const name of subscriptions) {
      bus.consume(asked, { name }, async ({ data: { key, number } }) => {
        const kind = key === 'slow' ? key : 'other';
        begun.add(`${name} ${kind}`);
        if (kind === 'slow') {
          await gate.promise;
          slow.get(name)!.push(number);
        }
        handled.add(`${name} ${kind}`);
      });
    }
    await bus.start();
    await publish(bus, others, (number) => `other ${number % 50}`);

    for (const name of subscriptions) await handled.reached(`${name} other`, others);
    for (const name of subscriptions) assert.equal(begun.of(`${name} slow`), 1);
    gate.resolve();
    for (const name of subscriptions) await handled.reached(`${name} slow`, behind);

    const inOrder = Array.from({ length: behind }, (_, number) => number);
    for (const name of subscriptions) assert.deepEqual(slow.get(name), inOrder);
    await bus.stop();
    await subject.remove?.();
  });
});

async function publish(bus: Bus, count: number, keyOf: (number: number) => string): Promise<void> {
  for (let from = 0; from < count; from += 1_000) {
    const size = Math.min(1_000, count - from);
    const jobs = Array.from({ length: size }, (_, index) => from + index);
    await bus.publishMany(
      asked,
      jobs.map((number) => ({ key: keyOf(number), number })),
    );
  }
}

interface Counts {
  add(what: string): void;
  of(what: string): number;
  /** Resolves once it was added that often. */
  reached(what: string, count: number): Promise<void>;
}

function counts(): Counts {
  const known = new Map<string, number>();
  const waiting: (() => void)[] = [];
  const of = (what: string): number => known.get(what) ?? 0;
  return {
    of,
    add(what) {
      known.set(what, of(what) + 1);
      for (const resolve of waiting.splice(0)) resolve();
    },
    async reached(what, count) {
      while (of(what) < count) await new Promise<void>((resolve) => waiting.push(resolve));
    },
  };
}
