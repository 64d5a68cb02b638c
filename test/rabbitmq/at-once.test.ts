/**
 * What comes alone to a process that is idle is begun before the server has confirmed that it is
 * at work. Whatever else comes waits for that: here until the silent connection is given up.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createBus, message } from 'malote';
import { rabbitmq } from 'malote/rabbitmq';
import { onTestFinished, test } from 'vitest';
import { startProxy } from '../support/proxy.ts';
import { listenTo } from '../support/transitions.ts';
import { overRabbitmq } from './over-rabbitmq.ts';
import type { Server } from './server.ts';

const timeout = 60_000;
const Counted = message<{ number: number }>('counted');
const Other = message('other');
/** By the order in which a bus makes its connections. */
const publishing = 0;

overRabbitmq((server) => {
  test('a message that comes alone does not wait for the server', { timeout }, async () => {
    const scene = { namespace: 'alone', attempts: 2, isBeside: false };
    assert.equal(await waits(server(), scene), false);
  });

  test('one that has a single attempt does', { timeout }, async () => {
    const scene = { namespace: 'single', attempts: 1, isBeside: false };
    assert.equal(await waits(server(), scene), true);
  });

  test('one that comes while another is at work does', { timeout }, async () => {
    const scene = { namespace: 'beside', attempts: 2, isBeside: true };
    assert.equal(await waits(server(), scene), true);
  });
});

interface Scene {
  readonly namespace: string;
  readonly attempts: number;
  /** The first message is at work still when the second one comes. */
  readonly isBeside: boolean;
}

/**
 * Two messages; behind the first one the connection by which a process publishes falls silent.
 * Answers whether the second one is begun only when that has been given up.
 */
async function waits(server: Server, scene: Scene): Promise<boolean> {
  const { namespace, attempts, isBeside } = scene;
  const proxy = await startProxy(server.port);
  onTestFinished(() => proxy.close());
  const url = server.url.replace(`:${server.port}`, `:${proxy.port}`);
  const engine = rabbitmq(url, { namespace, heartbeat: '1s' });
  const bus = createBus({ engine, name: namespace, logger: false });
  const other = createBus({ engine: rabbitmq(server.url, { namespace }), logger: false });
  const told = listenTo(namespace);
  bus.consume(Counted, { name: 'counts', retry: { attempts } }, async ({ data }, { signal }) => {
    if (isBeside && data.number === 1 && !signal.aborted) await once(signal, 'abort');
  });
  await bus.start();

  await other.publish(Counted, { number: 1 });
  await told.count(isBeside ? 'started' : 'acked', 1);
  // It is answered behind the list of what is at work.
  await bus.subscribe('others', Other);
  proxy.hush(publishing);
  await other.publish(Counted, { number: 2 });
  await told.count('started', 2);
  const kinds = told.all.map(({ kind }) => kind);
  await Promise.all([bus.stop({ drain: '1ms' }), other.stop()]);
  return kinds.slice(0, kinds.lastIndexOf('started')).includes('engine-trouble');
}
