/**
 * A connection that is lost here while the server still reads what was on its way: nobody knows
 * what becomes of that, and whatever does stands before all that is published afterwards.
 */
import assert from 'node:assert/strict';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { createBus, type MaloteError, message } from 'malote';
import { rabbitmq } from 'malote/rabbitmq';
import { onTestFinished, test } from 'vitest';
import { overRabbitmq } from './over-rabbitmq.ts';

const timeout = 60_000;
/** Longer than a new connection takes. */
const lagMs = 500;
const Counted = message<{ number: number }>('counted', { orderBy: () => 'one' });

overRabbitmq((server) => {
  test('what was on its way comes before what is published next', { timeout }, async () => {
    const network = await startLagging(server().port);
    const url = server().url.replace(`:${server().port}`, `:${network.port}`);
    const namespace = 'straggling';
    const bus = createBus({ engine: rabbitmq(url, { namespace }), logger: false });
    await bus.subscribe('counts', Counted);
    const numbers = [0, 2, 4];
    const answers: string[] = [];

    for (const number of numbers) {
      const text = `{"number":${number}}`;
      const isOnItsWay = network.hold(text);
      const first = answerOf(bus.publish(Counted, { number }));
      await isOnItsWay;
      network.reset();
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
        if (number === 5) resolve();
      });
      direct.start().catch(reject);
    });
    await direct.stop();
    assert.deepEqual(answers, ['INDETERMINATE', 'INDETERMINATE', 'INDETERMINATE']);
    assert.deepEqual(handled, [0, 1, 2, 3, 4, 5]);
  });
});

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
  /** The clients lose their connections; what they had sent arrives a while later. */
  reset(): void;
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
    reset() {
      for (const { client, server, held } of pairs) {
        client.resetAndDestroy();
        setTimeout(() => server.write(Buffer.concat(held ?? [])), lagMs);
        // A server heeds nothing more of who has gone by then.
        setTimeout(() => server.destroy(), 2 * lagMs);
      }
    },
  };
}
