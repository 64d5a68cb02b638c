/**
 * A server that takes a channel from whoever leaves a message unacknowledged for some seconds: its
 * `consumer_timeout`, 30 minutes where nobody says otherwise.
 */
import assert from 'node:assert/strict';
import { createBus, message, type TransitionEvent } from 'malote';
import { onTestFinished, test } from 'vitest';
import { listenTo } from '../support/transitions.ts';
import { namespaces } from './namespace.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

const timeout = 60_000;
const timeoutMs = 4_000;
const partitions = 2;

interface Work {
  readonly n: number;
  readonly key: string | null;
}
const ordered = message<Work>('work.ordered', { orderBy: ({ key }) => key ?? '' });
const loose = message<Work>('work.loose');

const settings = [`consumer_timeout = ${timeoutMs}`];
/** How often the server looks for what is late. */
const erlang = ['-rabbit', 'channel_tick_interval', '300'];

function troubles(all: readonly TransitionEvent[]): string[] {
  return all.flatMap((event) => (event.kind === 'engine-trouble' ? [event.message] : []));
}

overRabbitmq(
  (server) => {
    const all = namespaces(server);

    test('a handler that outruns it is told to stop, by name, and nothing is lost', {
      timeout,
    }, async () => {
      const subject = all.engine({ partitions, heartbeat: '1s' });
      const told = listenTo('outrun');
      const open = { name: 'outrun', logger: false, handleSignals: false } as const;
      const bus = createBus({ engine: subject.make(), ...open });
      onTestFinished(async () => {
        await bus.stop();
        await subject.remove?.();
      });
      const begun: number[] = [];
      const done: number[] = [];
      bus.consume(
        [ordered, loose],
        { name: 'work', order: 'key' },
        async ({ data }, { signal }) => {
          const isFirst = !begun.includes(data.n);
          begun.push(data.n);
          if (data.n < 2 && isFirst) {
            await new Promise((_, reject) => {
              signal.addEventListener('abort', () => reject(signal.reason as Error));
            });
          }
          done.push(data.n);
        },
      );
      await bus.start();

      await bus.publish(ordered, { n: 0, key: 'k' });
      await bus.publish(loose, { n: 1, key: null });
      const behind = [2, 3, 4, 5];
      for (const n of behind) await bus.publish(ordered, { n, key: 'k' });
      await told.count('acked', 2 + behind.length);

      assert.deepEqual(
        done.filter((n) => n !== 1),
        [0, ...behind],
      );
      assert.equal(done.filter((n) => n === 1).length, 1);
      const named = troubles(told.all).filter((said) => said.includes('consumer_timeout'));
      assert.ok(named.length > 0, troubles(told.all).join('\n'));
      assert.match(named[0]!, /4000 ms.*raise it above/);
      assert.deepEqual((await bus.dead.list()).items, []);
    });

    test('what stands for long is renewed before it, once it is known', { timeout }, async () => {
      const subject = all.engine({ partitions, heartbeat: '1s' });
      const told = listenTo('renewing');
      const open = { name: 'renewing', logger: false, handleSignals: false } as const;
      const bus = createBus({ engine: subject.make(), ...open });
      onTestFinished(async () => {
        await bus.stop();
        await subject.remove?.();
      });
      bus.consume([ordered, loose], { name: 'work', order: 'key' }, () => undefined);
      await bus.start();
      await bus.publish(ordered, { n: 0, key: 'k' }, { delay: '50s' });
      await told.count('engine-trouble', 1);
      const { length } = troubles(told.all);

      // The server would have spoken again before the third time.
      const before = told.all.filter(({ kind }) => kind === 'partition-taken').length;
      await told.count('partition-taken', before + 4 * partitions);
      await bus.publish(ordered, { n: 1, key: 'k' });
      await told.count('acked', 1);

      assert.equal(troubles(told.all).length, length, troubles(told.all).join('\n'));
    });
  },
  { settings, erlang },
);
