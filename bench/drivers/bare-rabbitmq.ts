/**
 * What a careful team writes by hand with amqplib: quorum queues, one connection to publish and one
 * to consume, messages persistent, mandatory and confirmed, as many prefetched as malote does. It
 * acknowledges all that is done in a turn of the event loop at once, or every message by itself
 * (`bare-singly`). Its messages are such as others can read: an id, a type and a time, over an
 * exchange; those of `bare` have a body alone. No schemas, retries, time-outs, dead letters,
 * nothing known of what a process died with; a connection that is lost ends it.
 *
 * Keys are spread over as many queues as malote has partitions, each with one active consumer.
 */

import { randomUUID } from 'node:crypto';
import amqp from 'amqplib';
import type { Order } from '../load.ts';
import type { Driver, DriverOptions } from './driver.ts';

const queuesWithOrder = 8;
/** What malote has out at a concurrency of 1,000: of its one queue, and of a partition. */
const prefetch = { together: 2_048, apart: 500 };

export async function openBareRabbitmq(options: DriverOptions): Promise<Driver> {
  const { settings, place } = options;
  const isOrdered = settings.keys > 0;
  const queues = Array.from({ length: isOrdered ? queuesWithOrder : 1 }, (_, n) => `bare.${n}`);
  const publishing = await amqp.connect(place, { noDelay: true });
  const consuming = await amqp.connect(place, { noDelay: true });
  const channel = await publishing.createConfirmChannel();
  const single = isOrdered ? { 'x-single-active-consumer': true } : {};
  for (const queue of queues) {
    const quorum = { 'x-queue-type': 'quorum', ...single };
    await channel.assertQueue(queue, { durable: true, arguments: quorum });
  }
  const isAlike = settings.driver !== 'bare';
  const exchange = isAlike ? 'bare' : '';
  if (isAlike) {
    await channel.assertExchange(exchange, 'direct', { durable: true });
    for (const queue of queues) await channel.bindQueue(queue, exchange, queue);
  }
  const queueOf = ({ key }: Order): string => queues[isOrdered ? spread(key) : 0]!;
  const books: Book[] = [];
  return {
    publish(order) {
      const body = Buffer.from(JSON.stringify(order));
      const properties = isAlike ? spelt() : sent;
      return new Promise<void>((resolve, reject) => {
        const confirmed = (error: Error | null | undefined): void => {
          if (error === null || error === undefined) resolve();
          else reject(error);
        };
        channel.publish(exchange, queueOf(order), body, properties, confirmed);
      });
    },
    async start() {
      for (const queue of queues) books.push(await consume(consuming, queue, options));
    },
    async held() {
      const checks = await Promise.all(queues.map((queue) => channel.checkQueue(queue)));
      const ready = checks.reduce((sum, { messageCount }) => sum + messageCount, 0);
      return ready + books.reduce((sum, { came, acknowledged }) => sum + came - acknowledged, 0);
    },
    async close() {
      await consuming.close();
      await publishing.close();
    },
  };
}

const sent = { persistent: true, mandatory: true, contentType: 'application/json' };

function spelt(): amqp.Options.Publish {
  const timestamp = Math.floor(Date.now() / 1_000);
  return { ...sent, messageId: randomUUID(), type: 'bench.order', timestamp };
}

function spread(key: string): number {
  return Number(key.slice(1)) % queuesWithOrder;
}

/** The deliveries of one channel, which its tags number from 1. */
interface Book {
  came: number;
  acknowledged: number;
}

async function consume(
  model: amqp.ChannelModel,
  queue: string,
  { settings, handle }: DriverOptions,
): Promise<Book> {
  const channel = await model.createChannel();
  const book = { came: 0, acknowledged: 0 };
  const isSingly = settings.driver === 'bare-singly';
  const acknowledge = isSingly ? singly(channel, book) : together(channel, book);
  await channel.prefetch(settings.keys > 0 ? prefetch.apart : prefetch.together);
  await channel.consume(queue, (message) => {
    if (message === null) throw new Error(`"${queue}" was deleted`);
    book.came += 1;
    const order = JSON.parse(message.content.toString('utf8')) as Order;
    handle(order, 1).then(() => acknowledge(message), fail);
  });
  return book;
}

type Acknowledge = (message: amqp.ConsumeMessage) => void;

function singly(channel: amqp.Channel, book: Book): Acknowledge {
  return (message) => {
    channel.ack(message);
    book.acknowledged += 1;
  };
}

/** What is done up to the first that is not. */
function together(channel: amqp.Channel, book: Book): Acknowledge {
  const above = new Set<number>();
  let lowest = 1;
  let scheduled = false;
  const flush = (): void => {
    scheduled = false;
    if (lowest - 1 === book.acknowledged) return;
    book.acknowledged = lowest - 1;
    channel.ack({ fields: { deliveryTag: lowest - 1 } } as amqp.ConsumeMessage, true);
  };
  return ({ fields: { deliveryTag: tag } }) => {
    if (tag !== lowest) {
      above.add(tag);
      return;
    }
    lowest += 1;
    while (above.delete(lowest)) lowest += 1;
    if (scheduled) return;
    scheduled = true;
    setImmediate(flush);
  };
}

function fail(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
