/**
 * A connection that is lost where a channel is being closed: the driver never answers that call,
 * and nobody may wait for it for ever. And one that is lost amid an unsubscribe, or its process.
 */
import assert from 'node:assert/strict';
import { createBus, message, MaloteError, type Bus } from 'malote';
import { rabbitmq } from 'malote/rabbitmq';
import { test } from 'vitest';
import { type Proxy, startProxy } from '../support/proxy.ts';
import { overRabbitmq } from './over-rabbitmq.ts';
import type { Server } from './server.ts';

const Note = message<{ readonly n: number }>('note');
/** Class and method, as they stand in a frame. */
const closing = Buffer.from([0, 20, 0, 40]);
const deletingQueue = Buffer.from([0, 50, 0, 40]);

overRabbitmq((server) => {
  let made = 0;

  /** The `which`-th such call from `arm` on is the last that its connection sends. */
  async function behind(
    which: number,
    call = closing,
  ): Promise<{ bus: Bus; proxy: Proxy; namespace: string; arm(last?: () => void): void }> {
    let left = Number.POSITIVE_INFINITY;
    let isLast: (() => void) | undefined;
    const proxy = await startProxy(server().port, (chunk) => {
      if (!chunk.includes(call)) return false;
      left -= 1;
      if (left === 0) isLast?.();
      return left === 0;
    });
    const url = through(server(), proxy);
    const namespace = `closing-${(made += 1)}`;
    const engine = rabbitmq(url, { namespace, heartbeat: '1s' });
    const bus = createBus({ engine, lease: '2s', logger: false, handleSignals: false });
    const arm = (last?: () => void): void => {
      left = which;
      isLast = last;
    };
    return { bus, proxy, namespace, arm };
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
      const code = await call().then(() => 'answered', codeOf);
      assert.match(code, /^(answered|INDETERMINATE|ENGINE_UNREACHABLE)$/);
    }
    await bus.stop();
    await proxy.close();
  });

  test('an unsubscribe that loses it while it deletes is finished over the next one', async () => {
    const { bus, proxy, namespace, arm } = await behind(1, deletingQueue);
    await bus.subscribe('notes', Note);
    arm();

    assert.equal(await bus.unsubscribe('notes'), true);

    assert.equal(await standing(server(), namespace), '');
    await bus.stop();
    await proxy.close();
  });

  test('what an unsubscribe died amid is finished by the next process', async () => {
    const { bus, proxy, namespace, arm } = await behind(1, deletingQueue);
    await bus.subscribe('notes', Note);
    const other = createBus({
      engine: rabbitmq(server().url, { namespace }),
      logger: false,
      handleSignals: false,
    });
    arm(() => void proxy.close());
    const code = await bus.unsubscribe('notes').then(String, codeOf);
    assert.match(code, /^(INDETERMINATE|ENGINE_UNREACHABLE)$/);
    assert.notEqual(await standing(server(), namespace), '');

    await other.publish(Note, { n: 1 });

    assert.equal(await standing(server(), namespace), '');
    const handled = new Promise<number>((resolve) => {
      other.consume(Note, { name: 'later' }, ({ data }) => resolve(data.n));
    });
    await other.start();
    assert.equal(await handled, 1);
    await Promise.all([bus.stop(), other.stop()]);
  });
});

/** The queues of subscriptions in a namespace. */
async function standing({ ctl }: Server, namespace: string): Promise<string> {
  const queues = (await ctl('list_queues', '--silent', 'name')).split('\n');
  return queues.filter((name) => name.startsWith(`${namespace}.q.`)).join(' ');
}

function codeOf(error: unknown): string {
  return error instanceof MaloteError ? error.code : String(error);
}

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
