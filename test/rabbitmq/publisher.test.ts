/** What becomes of what is published: which answer belongs to which message. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { wireOf } from '../../src/transports/rabbitmq/line.ts';
import {
  createPublisher,
  type Publisher,
  type Sending,
} from '../../src/transports/rabbitmq/publisher.ts';
import { namespaces } from './namespace.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

overRabbitmq((server) => {
  const all = namespaces(server);

  async function open(channels: number): Promise<Publisher> {
    const nowhere = (): void => undefined;
    const publisher = createPublisher({ urls: [server().url], channels, waitMs: 20_000, nowhere });
    await publisher.use(wireOf(all.model));
    return publisher;
  }

  test('of two under one id, on their way at once, the one that leads nowhere is refused', async () => {
    const channel = await all.model.createChannel();
    await channel.assertQueue('there', { durable: true, arguments: { 'x-queue-type': 'quorum' } });
    const publisher = await open(1);
    const sending = (key: string): Sending => ({
      exchange: '',
      key,
      body: Buffer.from('one'),
      properties: { messageId: 'same' },
    });

    const keys = ['there', 'nowhere', 'there', 'nowhere'];
    const answers = await Promise.allSettled(keys.map((key) => publisher.send(sending(key))));

    assert.deepEqual(
      answers.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled', 'rejected'],
    );
    assert.equal((await channel.deleteQueue('there')).messageCount, 2);
    await channel.close();
  });

  test('a lane keeps its order over all channels, and so do a few that have none', async () => {
    const channel = await all.model.createChannel();
    await channel.assertQueue('ordered');
    const publisher = await open(8);
    const lanes = 5;
    const sendings = Array.from({ length: 2_000 }, (_, index): Sending => {
      const body = Buffer.from(`${index % lanes} ${index}`);
      return { exchange: '', key: 'ordered', lane: index % lanes, body, properties: {} };
    });
    const few = Array.from({ length: 60 }, (_, index): Sending => {
      return { exchange: '', key: 'ordered', body: Buffer.from(`few ${index}`), properties: {} };
    });

    await publisher.send(...few, ...sendings);

    const read: string[] = [];
    for (;;) {
      const message = await channel.get('ordered', { noAck: true });
      if (message === false) break;
      read.push(message.content.toString());
    }
    for (const lane of ['few', ...Array.from({ length: lanes }, (_, index) => String(index))]) {
      const own = read.filter((text) => text.startsWith(`${lane} `));
      const numbers = own.map((text) => Number(text.slice(lane.length + 1)));
      assert.deepEqual(
        numbers,
        numbers.toSorted((a, b) => a - b),
        `lane ${lane}`,
      );
      assert.equal(numbers.length, lane === 'few' ? 60 : 400);
    }
    await channel.deleteQueue('ordered');
    await channel.close();
  });
});
