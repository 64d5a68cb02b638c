/**
 * Reading a stream from its beginning and on: every reader sees every entry, in one order. A
 * reader that writes a marker and reads up to it has seen all that was stored before.
 */

import type { Channel, ChannelModel } from 'amqplib';
import type { MaloteError } from '../../errors.ts';
import type { Publisher } from './publisher.ts';

export interface Tail {
  /** Resolves when everything stored before the call has been read. */
  sync(): Promise<void>;
  /** Stores an entry. Resolves when it is stored, and read here. */
  append(entry: unknown): Promise<void>;
  /** Whoever waits for something to be read is told that it will not be. */
  end(error: MaloteError): void;
}

export interface TailOptions {
  readonly model: ChannelModel;
  readonly publisher: Publisher;
  readonly stream: string;
  readonly newId: () => string;
  /** The connection is of no more use. */
  broken(reason: string): void;
  read(entry: unknown): void;
}

interface Awaiting {
  resolve(): void;
  reject(error: MaloteError): void;
}

const window = 1_000;

export async function startTail(options: TailOptions): Promise<Tail> {
  const { model, publisher, stream, newId } = options;
  const awaited = new Map<string, Awaiting>();
  const channel = await model.createChannel();
  channel.on('error', () => undefined);
  channel.on('close', () => options.broken(`the channel that reads "${stream}" was closed`));
  await channel.prefetch(window);
  await consume(channel, options, awaited);

  const write = async (messageId: string, content: string): Promise<void> => {
    const seen = new Promise<void>((resolve, reject) => {
      awaited.set(messageId, { resolve, reject });
    });
    seen.catch(() => undefined);
    const sending = { exchange: '', key: stream, body: Buffer.from(content) };
    try {
      await publisher.send({ ...sending, properties: { messageId } });
      await seen;
    } finally {
      awaited.delete(messageId);
    }
  };
  let next: Promise<void> | null = null;
  let current: Promise<void> | null = null;
  const tail: Tail = {
    append: (entry) => write(newId(), JSON.stringify(entry)),
    sync() {
      // Who asks while a marker is on its way needs a later one, and shares it with others.
      if (current === null) {
        current = write(newId(), '').finally(() => (current = null));
        return current;
      }
      next ??= current
        .catch(() => undefined)
        .then(() => {
          next = null;
          return tail.sync();
        });
      return next;
    },
    end(error) {
      for (const { reject } of awaited.values()) reject(error);
    },
  };
  await tail.sync();
  return tail;
}

async function consume(
  channel: Channel,
  { stream, read, broken }: TailOptions,
  awaited: ReadonlyMap<string, Awaiting>,
): Promise<void> {
  let unacked = 0;
  await channel.consume(
    stream,
    (message) => {
      if (message === null) {
        broken(`"${stream}" was deleted`);
        return;
      }
      unacked += 1;
      if (unacked >= window / 4) {
        channel.ack(message, true);
        unacked = 0;
      }
      if (message.content.length > 0) read(entryOf(message.content));
      awaited.get(String(message.properties.messageId))?.resolve();
    },
    { arguments: { 'x-stream-offset': 'first' } },
  );
}

function entryOf(content: Buffer): unknown {
  try {
    return JSON.parse(content.toString('utf8'));
  } catch {
    return null;
  }
}
