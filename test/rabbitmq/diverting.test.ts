/** Dead letters of keys that are diverted, sent back again and again while more of them die. */
import assert from 'node:assert/strict';
import { type Bus, createBus, message } from 'malote';
import { rabbitmq } from 'malote/rabbitmq';
import { onTestFinished, test } from 'vitest';
import { overRabbitmq } from './over-rabbitmq.ts';

interface Step {
  readonly key: string;
  readonly n: number;
}

const Walked = message<Step>('walked', { orderBy: ({ key }) => key });
const keys = ['a', 'b', 'c'];
const steps = Array.from({ length: 400 }, (_, n) => n);
const timeout = 120_000;

overRabbitmq((server) => {
  function started(name: string): Bus {
    const engine = rabbitmq(server().url, { namespace: 'diverting', partitions: 1 });
    const bus = createBus({ name, engine, logger: false, handleSignals: false });
    onTestFinished(() => bus.stop({ drain: 0 }));
    return bus;
  }

  test('each key keeps its order, however many send back at once', { timeout }, async () => {
    const worker = started('worker');
    const walked = new Map(keys.map((key) => [key, [] as number[]]));
    const died = new Set<string>();
    let left = keys.length * steps.length;
    worker.consume(Walked, { name: 'reader', onDead: 'divert' }, ({ data: { key, n } }, ctx) => {
      const isFirst = !died.has(`${key} ${n}`);
      if (n % 20 === 10 && isFirst) {
        died.add(`${key} ${n}`);
        ctx.deadLetter('the first time');
      }
      walked.get(key)!.push(n);
      left -= 1;
    });
    await worker.start();

    const publishing = keys.map(async (key) => {
      for (const n of steps) await worker.publish(Walked, { key, n });
    });
    const sendingBack = ['one', 'another'].map(async (name) => {
      const operator = started(name);
      while (left > 0) await operator.dead.redrive({ subscription: 'reader' });
    });
    await Promise.all([...publishing, ...sendingBack]);

    for (const key of keys) assert.deepEqual(walked.get(key), steps, `key ${key}`);
  });
});
