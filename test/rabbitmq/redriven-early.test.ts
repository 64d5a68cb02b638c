/** A dead letter that is sent back before its process has heard that it is stored. */
import assert from 'node:assert/strict';
import { type Bus, createBus, message } from 'malote';
import { rabbitmq } from 'malote/rabbitmq';
import { onTestFinished, test } from 'vitest';
import { startProxy } from '../support/proxy.ts';
import { listenTo } from '../support/transitions.ts';
import { through } from './behind.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

const Keyed = message<string>('keyed', { orderBy: (key) => key });
const timeout = 60_000;
/** Its connections in the order of their coming: to publish, to consume. */
const publishing = 0;

overRabbitmq((server) => {
  test('it is handled again, as any that comes back', { timeout }, async () => {
    const proxy = await startProxy(server().port);
    const on = (url: string, name: string): Bus => {
      const engine = rabbitmq(url, { namespace: 'early', partitions: 1 });
      const bus = createBus({ name, engine, logger: false, handleSignals: false });
      onTestFinished(() => bus.stop({ drain: 0 }));
      return bus;
    };
    onTestFinished(() => proxy.close());
    const worker = on(through(server(), proxy), 'early worker');
    const told = listenTo('early worker');
    let held = { release: (): void => undefined };
    let runs = 0;
    worker.consume(Keyed, { name: 'reader' }, (_, ctx) => {
      runs += 1;
      if (runs > 1) return;
      held = proxy.holdBack(publishing);
      ctx.deadLetter('the first time');
    });
    await worker.start();
    const operator = on(server().url, 'early operator');
    await operator.publish(Keyed, 'a');

    while ((await operator.dead.redrive({ subscription: 'reader' })).redriven === 0);
    await told.count('started', 2);
    held.release();
    await told.count('acked', 1);

    // It came back by itself, and not with a connection that was given up.
    assert.ok(told.all.every(({ kind }) => kind !== 'engine-trouble'));
    await operator.publish(Keyed, 'a');
    await told.count('acked', 2);
    assert.equal(runs, 3);
    const [view] = await operator.subscriptions.list();
    assert.deepEqual([view?.stats.depth, view?.stats.dead], [0, 0]);
  });
});
