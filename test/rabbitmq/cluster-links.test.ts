/**
 * What servers of a cluster take back of what they had given out: when they do not reach each other
 * for a moment, though every connection lives on, and when one of them dies.
 */
import assert from 'node:assert/strict';
import { type Bus, createBus, message } from 'malote';
import { rabbitmq } from 'malote/rabbitmq';
import { afterEach, beforeEach, describe, onTestFinished, test } from 'vitest';
import { type Proxy, startProxy } from '../support/proxy.ts';
import { listenTo } from '../support/transitions.ts';
import { startAgain, through } from './behind.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { isInstalled, type Server } from './server.ts';

interface Numbered {
  readonly n: number;
}

const Loose = message<Numbered>('loose');
const Keyed = message<Numbered>('keyed', { orderBy: () => 'one key' });
const quiet = { logger: false, handleSignals: false } as const;
const timeout = 60_000;

describe.runIf(isInstalled())('between servers of a RabbitMQ cluster', () => {
  let cluster: Cluster;
  let first: Server;
  let leading: Server;
  let last: Server;
  let proxy: Proxy;
  // Its servers take some time to agree on everything again.
  beforeEach(async () => {
    cluster = await startCluster(3);
    [first, leading, last] = cluster.servers as readonly [Server, Server, Server];
    proxy = await startProxy(last.port);
  }, timeout);
  afterEach(async () => {
    await proxy.close();
    await cluster.stop();
  });

  /** The leaders of its queues are on one server, the lists of what is at work on another. */
  async function subscribed(type: typeof Loose): Promise<Bus> {
    await busOn(first.url).start();
    const bus = busOn(leading.url, 'publisher');
    await bus.subscribe('reader', type);
    return bus;
  }

  /** Resolves with a bus once that many handlers of it are at work, to end with it. */
  async function atWork(type: typeof Loose, url: string, handlers: number): Promise<Bus> {
    const name = `${handlers} at work`;
    const bus = busOn(url, name);
    const heard = listenTo(name);
    bus.consume(type, { name: 'reader', concurrency: handlers }, async (_, { signal }) => {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      throw signal.reason;
    });
    await bus.start();
    await heard.count('started', type === Loose ? handlers : 1);
    return bus;
  }

  test('messages without order that are given again to who works on them are not lost', {
    timeout,
  }, async () => {
    const publisher = await subscribed(Loose);
    // Who owns a partition would notice there.
    await publisher.publish(Loose, { n: 1 });
    const owner = await atWork(Loose, leading.url, 1);
    for (const n of [2, 3, 4]) await publisher.publish(Loose, { n });
    await atWork(Loose, through(last, proxy), 3);

    await loseLink(leading, last, 'u');
    await proxy.close();
    await owner.stop({ drain: 0 });

    const handled = await handledBy(busOn(leading.url), Loose, 4);
    assert.deepEqual(new Set(handled), new Set([1, 2, 3, 4]));
  });

  test('messages of a key that are given again to who works on them are not lost', {
    timeout,
  }, async () => {
    const publisher = await subscribed(Keyed);
    for (const n of [1, 2, 3]) await publisher.publish(Keyed, { n });
    await atWork(Keyed, through(last, proxy), 3);

    await loseLink(leading, last, 'p0');
    await proxy.close();

    assert.deepEqual(await handledBy(busOn(leading.url), Keyed, 3), [1, 2, 3]);
  });

  test('what a server died with is given to others, its consumers cancelled or not', {
    timeout,
  }, async () => {
    const publisher = await subscribed(Loose);
    for (const n of [1, 2, 3]) await publisher.publish(Loose, { n });
    const bus = await atWork(Loose, last.url, 3);
    const stopped = bus.stop();
    const consumers = ['list_consumers', '--silent', 'queue_name', 'prefetch_count'] as const;
    while (/reader\/u\s+3/.test(await leading.ctl(...consumers)));

    await last.kill();
    await last.restart();

    const handled = await handledBy(busOn(leading.url), Loose, 3);
    assert.deepEqual(new Set(handled), new Set([1, 2, 3]));
    await stopped;
  });
});

function busOn(url: string, name = 'other'): Bus {
  const bus = createBus({
    name,
    engine: rabbitmq(url, { namespace: 'links', partitions: 1 }),
    ...quiet,
  });
  onTestFinished(() => bus.stop({ drain: 0 }));
  return bus;
}

async function handledBy(bus: Bus, type: typeof Loose, count: number): Promise<number[]> {
  const handled: number[] = [];
  await new Promise<void>((resolve, reject) => {
    bus.consume(type, { name: 'reader', concurrency: 1 }, ({ data }) => {
      handled.push(data.n);
      if (handled.length === count) resolve();
    });
    // Servers that have just found each other again may refuse what is declared.
    startAgain(bus).catch(reject);
  });
  return handled;
}

/** For a moment: they connect again by themselves. Answers the name of the other. */
async function disconnect(one: Server, other: Server): Promise<string> {
  const node = (await other.ctl('eval', 'node().')).trim();
  await one.ctl('eval', `erlang:disconnect_node(${node}).`);
  return node;
}

/**
 * Resolves when the queue, whose leader is on one of them, has given out anew all that it had given
 * out on the other.
 */
async function loseLink(leader: Server, other: Server, queue: string): Promise<void> {
  const node = await disconnect(leader, other);
  const old =
    `Old = fun (S) -> [M || {_, P} = C <- maps:keys(rabbit_fifo:query_consumers(S)), ` +
    `node(P) =:= ${node}, ` +
    '{_, {_, H}} = M <- rabbit_fifo:get_checked_out(C, 0, 1000, S), ' +
    'not is_map(H) orelse not is_map_key(delivery_count, H)] end, ' +
    'Left = fun (S) -> rabbit_fifo:query_messages_ready(S) + length(Old(S)) end, ' +
    `{ok, {_, N}, _} = ra:local_query({'%2F_links.q.reader/${queue}', node()}, Left), N.`;
  // A consumer is served by the replica beside it.
  // It may not be there for a moment.
  const left = (): Promise<string> => other.ctl('eval', old).catch(() => '');
  while ((await left()).trim() !== '0');
}
