/**
 * A connection that is lost where a channel is being closed: the driver never answers that call,
 * and nobody may wait for it for ever.
 */
import assert from 'node:assert/strict';
import { createBus, message, MaloteError, type Bus } from 'malote';
import { rabbitmq } from 'malote/rabbitmq';
import { test } from 'vitest';
import { type Proxy, startProxy } from '../support/proxy.ts';
import { overRabbitmq } from './over-rabbitmq.ts';
import type { Server } from './server.ts';

const Note = message<{ readonly n: number }>('note');
/** Class and method of `channel.close`, as they stand in its frame. */
const closing = Buffer.from([0, 20, 0, 40]);

overRabbitmq((server) => {
  let made = 0;

  /** The `which`-th close of a channel from `arm` on is the last that its connection sends. */
  async function behind(which: number): Promise<{ bus: Bus; proxy: Proxy; arm(): void }> {
    let left = Number.POSITIVE_INFINITY;
    const proxy = await startProxy(server().port, (chunk) => {
      if (!chunk.includes(closing)) return false;
      left -= 1;
      return left === 0;
    });
    const url = through(server(), proxy);
    const namespace = `closing-${(made += 1)}`;
    const engine = rabbitmq(url, { namespace, heartbeat: '1s' });
    const bus = createBus({ engine, lease: '2s', logger: false, handleSignals: false });
    return { bus, proxy, arm: () => void (left = which) };
  }

  test.each([1, 2, 3, 4])('a start that loses it at close %i begins anew', async (which) => {
    const { bus, proxy, arm } = await behind(which);
    const handled = new Promise<number>((resolve) => {
      bus.consume(Note, { name: 'notes' }, ({ data }) => resolve(data.n));
    });
    arm();

    await startAgain(bus);
    await bus.publish(Note, { n: which });

    assert.equal(await handled, which);
    await bus.stop();
    await proxy.close();
  });

  test('a look, a change and a long delay each answer', async () => {
    const { bus, proxy, arm } = await behind(1);
    await bus.subscribe('notes', Note);
    const calls = [
      () => bus.subscriptions.list(),
      () => bus.dead.list(),
      () => bus.waiting.list(),
      () => bus.subscriptions.pause('notes'),
      () => bus.publish(Note, { n: 1 }, { delay: '11m' }),
    ];
    for (const call of calls) {
      arm();
      const code = await call().then(
        () => 'answered',
        (error: unknown) => (error instanceof MaloteError ? error.code : String(error)),
      );
      assert.match(code, /^(answered|INDETERMINATE|ENGINE_UNREACHABLE)$/);
    }
    await bus.stop();
    await proxy.close();
  });
});

function through({ url, port }: Server, proxy: Proxy): string {
  return url.replace(`:${port}`, `:${proxy.port}`);
}

async function startAgain(bus: Bus): Promise<void> {
  for (;;) {
    try {
      await bus.start();
      return;
    } catch (error) {
      assert.ok(error instanceof MaloteError, String(error));
    }
  }
}
