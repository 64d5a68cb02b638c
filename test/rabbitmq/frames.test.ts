/** What malote writes to the wire and reads from it by itself is what the driver does. */
import assert from 'node:assert/strict';
import amqp from 'amqplib';
import { test } from 'vitest';
import { readDeliveries } from '../../src/transports/rabbitmq/deliveries.ts';
import { createFrames } from '../../src/transports/rabbitmq/frames.ts';
import { wireOf } from '../../src/transports/rabbitmq/line.ts';
import type { Sending } from '../../src/transports/rabbitmq/publisher.ts';
import { namespaces } from './namespace.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

const key = 'frames';
const longest = 'ä'.repeat(127);
const headers = { text: 'Grüße, 世界 🌍', '': '', [longest]: 'x'.repeat(60_000) };
const numbers = { zero: 0, small: -1, large: 2 ** 53 - 1, low: -(2 ** 40) - 7, half: -0.5 };

const sendings: readonly Sending[] = [
  { exchange: '', key, body: Buffer.alloc(0), properties: {} },
  {
    exchange: '',
    key,
    body: Buffer.from('{"a":1}'),
    properties: { messageId: 'one', headers: {} },
  },
  {
    exchange: '',
    key,
    body: Buffer.alloc(400_000, 'body '),
    properties: {
      messageId: longest,
      type: 'order.placed',
      contentType: 'application/json',
      headers: { ...headers, ...numbers },
      persistent: false,
      expiration: '86400000',
      timestamp: 1_790_000_000,
    },
  },
  ...Array.from({ length: 300 }, (_, index) => ({
    exchange: '',
    key,
    body: Buffer.from(String(index)),
    properties: { messageId: `m${index}`, headers: { index } },
  })),
];

overRabbitmq((server) => {
  const all = namespaces(server);

  test('a publish is on the wire what the driver makes of it, and in its order', async () => {
    const channel = await all.model.createConfirmChannel();
    await channel.assertQueue(key);
    const frames = createFrames(wireOf(all.model), channel);

    for (const { exchange, key: to, body, properties } of sendings) {
      channel.publish(exchange, to, body, { persistent: true, mandatory: true, ...properties });
    }
    await channel.waitForConfirms();
    const confirmed = sendings.map(
      (sending) => new Promise((resolve) => void frames.publish(sending, resolve)),
    );
    assert.deepEqual(new Set(await Promise.all(confirmed)), new Set([null]));

    const read = await readAll(channel, 2 * sendings.length);
    assert.deepEqual(read.slice(sendings.length), read.slice(0, sendings.length));
    assert.equal(read[2]?.content.length, 400_000);
    await channel.deleteQueue(key);
    await channel.close();
  });

  test('a delivery is what the driver makes of it, however it comes', async () => {
    const fast = await amqp.connect(server().url);
    readDeliveries(fast);
    const publishing = await all.model.createConfirmChannel();
    await publishing.assertExchange('read', 'fanout');
    const queues = ['by the driver', 'by malote'];
    for (const queue of queues) {
      await publishing.assertQueue(queue);
      await publishing.bindQueue(queue, 'read', '');
    }
    const others = { timestamp: 2 ** 40, headers: { yes: true, in: { a: [1, 'b'] } } };
    for (const { body, properties } of [
      ...sendings,
      { body: Buffer.from('other'), properties: { ...others, replyTo: 'who', appId: 'app' } },
      { body: Buffer.from('strange'), properties: { headers: others.headers } },
      ...sendings.toReversed(),
    ]) {
      publishing.publish('read', String(body.length), body, { mandatory: true, ...properties });
    }
    await publishing.waitForConfirms();

    const channels = [await all.model.createChannel(), await fast.createChannel()];
    const count = 2 * sendings.length + 2;
    const read = await Promise.all(
      channels.map((channel, index) => readWhole(channel, queues[index]!, count)),
    );

    assert.deepEqual(read[1], read[0]);
    for (const queue of queues) await publishing.deleteQueue(queue);
    await publishing.deleteExchange('read');
    await fast.close();
  });

  test('what does not fit is not begun: the next one is read as it is', async () => {
    const channel = await all.model.createConfirmChannel();
    await channel.assertQueue(key);
    const frames = createFrames(wireOf(all.model), channel);
    const body = Buffer.from('body');
    const publish = (properties: Sending['properties']): Promise<unknown> =>
      new Promise((resolve) => {
        frames.publish({ exchange: '', key, body, properties }, resolve);
      });

    await assert.rejects(publish({ messageId: `${longest}aa` }), /255/);
    await assert.rejects(publish({ headers: { large: 'x'.repeat(200_000) } }), /a frame here/);
    await publish({ messageId: 'after' });

    const [only] = await readAll(channel, 1);
    assert.equal(only?.properties.messageId, 'after');
    await channel.deleteQueue(key);
    await channel.close();
  });
});

/** Everything of each but the name of the consumer. */
async function readWhole(channel: amqp.Channel, queue: string, count: number): Promise<unknown[]> {
  const read: unknown[] = [];
  await new Promise<void>((resolve, reject) => {
    const take = (message: amqp.ConsumeMessage | null): void => {
      if (message === null) return;
      read.push({ ...message, fields: { ...message.fields, consumerTag: '' } });
      if (read.length === count) resolve();
    };
    channel.consume(queue, take, { noAck: true }).catch(reject);
  });
  return read;
}

async function readAll(
  channel: amqp.Channel,
  count: number,
): Promise<Pick<amqp.ConsumeMessage, 'properties' | 'content'>[]> {
  const read: Pick<amqp.ConsumeMessage, 'properties' | 'content'>[] = [];
  await new Promise<void>((resolve, reject) => {
    const take = (message: amqp.ConsumeMessage | null): void => {
      if (message === null) return;
      // Where there are none, the driver writes an empty table.
      const { properties, content } = message;
      read.push({ properties: { ...properties, headers: properties.headers ?? {} }, content });
      if (read.length === count) resolve();
    };
    channel.consume(key, take, { noAck: true }).catch(reject);
  });
  return read;
}
