/**
 * A connection that is lost here while the server still reads what was on its way: nobody knows
 * what becomes of that, and whatever does stands before all that is published afterwards.
 */
import assert from 'node:assert/strict';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { createBus, type MaloteError, message } from 'malote';
import { rabbitmq } from 'malote/rabbitmq';
import { onTestFinished, test } from 'vitest';
import { listenTo } from '../support/transitions.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

const timeout = 60_000;
/** Longer than a new connection takes. */
const shortMs = 500;
/** Longer than a server lives with a connection that is silent, and has heartbeats of a second. */
const longMs = 4_500;
const Counted = message<{ number: number }>('counted', { orderBy: () => 'one' });

overRabbitmq((server) => {
  const lags = [shortMs, longMs, shortMs, shortMs];

  test('what was on its way comes before what is published next', { timeout }, async () => {
    const network = await startLagging(server().port);
    const url = server().url.replace(`:${server().port}`, `:${network.port}`);
    const namespace = 'straggling';
    const engine = rabbitmq(url, { namespace, heartbeat: '1s' });
    const bus = createBus({ engine, name: namespace, logger: false });
    const told = listenTo(namespace);
    await bus.subscribe('counts', Counted);
    const answers: string[] = [];

    for (const [index, lagMs] of lags.entries()) {
      const number = 2 * index;
      const text = `{"number":${number}}`;
      const isOnItsWay = network.hold(text);
      const first = answerOf(bus.publish(Counted, { number }));
      await isOnItsWay;
      network.reset(lagMs);
      answers.push(await first);
      let next = '';
      while (next !== 'stored') {
        next = await answerOf(bus.publish(Counted, { number: number + 1 }));
      }
    }
    await bus.stop();

    const handled: number[] = [];
    const direct = createBus({ engine: rabbitmq(server().url, { namespace }), logger: false });
    await new Promise<void>((resolve, reject) => {
      direct.consume(Counted, { name: 'counts' }, ({ data: { number } }) => {
        handled.push(number);
        if (number === 2 * lags.length - 1) resolve();
      });
      direct.start().catch(reject);
    });
    await direct.stop();
    assert.deepEqual([...new Set(answers)], ['INDETERMINATE']);
    const busy = told.all.filter((one) => 'code' in one && one.code === 'ENGINE_BUSY');
    assert.equal(busy.length, lags.filter((lagMs) => lagMs === longMs).length);
    assert.deepEqual(handled, [0, 1, 2, 3, 4, 5, 6, 7]);
  });
});

/** As AMQP 0-9-1 has it (4.2.7). */
const heartbeat = Buffer.from([8, 0, 0, 0, 0, 0, 0, 0xce]);
const beatMs = 300;

async function answerOf(publish: Promise<unknown>): Promise<string> {
  return await publish.then(
    () => 'stored',
    ({ code }: MaloteError) => code,
  );
}

interface Lagging {
  readonly port: number;
  /** From now on nothing arrives; resolves when a text has been sent. */
  hold(text: string): Promise<void>;
  /**
   * The clients lose their connections; what they had sent arrives that much later. The server
   * hears heartbeats meanwhile.
   */
  reset(lagMs: number): void;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  held: Buffer[] | null;
}

async function startLagging(target: number): Promise<Lagging> {
  const pairs = new Set<Pair>();
  let wanted = { text: '', came: (): void => undefined };
  const listener = createServer((client) => {
    const pair: Pair = { client, server: connect(target, '127.0.0.1'), held: null };
    pairs.add(pair);
    const { server } = pair;
    for (const socket of [client, server]) socket.on('error', () => undefined);
    client.on('data', (chunk) => {
      if (pair.held === null) server.write(chunk);
      else pair.held.push(chunk);
      if (pair.held !== null && chunk.includes(wanted.text)) wanted.came();
    });
    server.on('data', (chunk) => void client.write(chunk));
    server.on('close', () => client.destroy());
    client.on('close', () => {
      pairs.delete(pair);
      if (pair.held === null) server.destroy();
    });
  });
  await new Promise<void>((resolve) => void listener.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    listener.close();
    for (const { client, server } of pairs) for (const socket of [client, server]) socket.destroy();
  });
  return {
    port: (listener.address() as AddressInfo).port,
    hold(text) {
      for (const pair of pairs) pair.held = [];
      return new Promise((came) => (wanted = { text, came }));
    },
    reset(lagMs) {
      for (const { client, server, held } of pairs) {
        client.resetAndDestroy();
        const beating = setInterval(() => server.write(heartbeat), beatMs);
        setTimeout(() => {
          clearInterval(beating);
          server.write(Buffer.concat(held ?? []));
        }, lagMs);
        // A server heeds nothing more of who has gone by then.
        setTimeout(() => server.destroy(), lagMs + shortMs);
      }
    },
  };
}
