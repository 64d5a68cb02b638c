/** What malote writes to the wire by itself is what the driver writes. */
import assert from 'node:assert/strict';
import type amqp from 'amqplib';
import { test } from 'vitest';
import { createFrames } from '../../src/transports/rabbitmq/frames.ts';
import type { Wire } from '../../src/transports/rabbitmq/line.ts';
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
    const frames = createFrames({ model: all.model, isOpen: true } as Wire, channel);

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

  test('what does not fit is not begun: the next one is read as it is', async () => {
    const channel = await all.model.createConfirmChannel();
    await channel.assertQueue(key);
    const frames = createFrames({ model: all.model, isOpen: true } as Wire, channel);
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
