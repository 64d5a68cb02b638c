/**
 * Reading a stream from its beginning and on: every reader sees every entry, in one order. A
 * reader that writes a marker and reads up to it has seen all that was stored before.
 *
 * On a cluster a reader may fall silent for good: it is read from the replica of its own node, and
 * a server does not always say that this one is gone, or that there is something new for it
 * (rabbitmq-server #4133, #12785). So whoever has stored something and reads nothing, not even
 * that, begins anew over another connection.
 */

import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { systemClock, type Timer } from '../../clock.ts';
import type { MaloteError } from '../../errors.ts';
import { ackUnlessClosed } from './ack-book.ts';
import { whenClosed } from './driver.ts';
import type { Publisher, Sending } from './publisher.ts';

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
  /** Hears an entry, and when it was written as far as its writer says. */
  read(entry: unknown, writtenAt: number): void;
  now(): number;
  /** For how long a message may stay unacknowledged; milliseconds. */
  longestUnacked(): number;
  /** For how long nothing may be read while something stored is still to be; milliseconds. */
  readonly silentMs: number;
  /** Whether somebody waits for what others store: then a marker a minute finds a silence. */
  readonly isAwaited?: () => boolean;
}

interface Awaiting {
  resolve(): void;
  reject(error: MaloteError): void;
}

const window = 1_000;
const idleMs = 60_000;
/** Between two markers of who only waits, in times of a silence. */
const silencesBetween = 6;

export async function startTail(options: TailOptions): Promise<Tail> {
  const { model, publisher, stream, newId, now } = options;
  const awaited = new Map<string, Awaiting>();
  const channel = await model.createChannel();
  whenClosed(channel, (because) =>
    options.broken(`the channel that reads "${stream}" was closed${because}`),
  );
  await channel.prefetch(window);
  const silence = createSilence(options);
  await consume(channel, { ...options, heard: silence.heard }, awaited);

  let over: MaloteError | null = null;
  const write = async (messageId: string, content: string): Promise<void> => {
    // Nothing will be read any more, though it may well be stored.
    if (over !== null) throw over;
    const seen = new Promise<void>((resolve, reject) => {
      awaited.set(messageId, { resolve, reject });
    });
    seen.catch(() => undefined);
    const sending = entrySending(stream, content, { messageId, now: now() });
    try {
      await publisher.send(sending);
      silence.begin();
      await seen;
    } finally {
      awaited.delete(messageId);
      if (awaited.size === 0) silence.end();
    }
  };
  let check: Timer | null = null;
  const armCheck = (isAwaited: () => boolean): void => {
    check = systemClock.setTimer(() => {
      if (isAwaited()) tail.sync().catch(() => undefined);
      armCheck(isAwaited);
    }, options.silentMs * silencesBetween);
    check.unref();
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
      over = error;
      silence.end();
      check?.cancel();
      for (const { reject } of awaited.values()) reject(error);
    },
  };
  await tail.sync();
  if (options.isAwaited !== undefined) armCheck(options.isAwaited);
  return tail;
}

interface Silence {
  /** Something was read. */
  heard(): void;
  /** Something is to be read from now on, unless it has begun before. */
  begin(): void;
  end(): void;
}

function createSilence({ stream, silentMs, broken }: TailOptions): Silence {
  let since = 0;
  let timer: Timer | null = null;
  const arm = (afterMs: number): void => {
    timer = systemClock.setTimer(() => {
      timer = null;
      const leftMs = since + silentMs - systemClock.monotonic();
      if (leftMs > 0) arm(leftMs);
      else broken(`"${stream}" has said nothing for ${silentMs} ms of what was stored in it`);
    }, afterMs);
    timer.unref();
  };
  return {
    heard: () => void (since = systemClock.monotonic()),
    begin() {
      if (timer !== null) return;
      since = systemClock.monotonic();
      arm(silentMs);
    },
    end() {
      timer?.cancel();
      timer = null;
    },
  };
}

async function consume(
  channel: Channel,
  { stream, read, broken, now, longestUnacked, heard }: TailOptions & Pick<Silence, 'heard'>,
  awaited: ReadonlyMap<string, Awaiting>,
): Promise<void> {
  let unacked = 0;
  let last: ConsumeMessage | null = null;
  let idle: Timer | null = null;
  const acknowledge = (): void => {
    idle?.cancel();
    idle = null;
    if (last === null) return;
    unacked = 0;
    ackUnlessClosed(channel, last, 'all before');
    last = null;
  };
  await channel.consume(
    stream,
    (message) => {
      if (message === null) {
        broken(`"${stream}" was deleted`);
        return;
      }
      heard();
      unacked += 1;
      last = message;
      if (unacked >= window / 4) acknowledge();
      // What comes seldom is not left unacknowledged for long either: the server would mind.
      else if (idle === null) {
        idle = systemClock.setTimer(acknowledge, Math.min(idleMs, longestUnacked()));
        idle.unref();
      }
      if (message.content.length > 0) read(entryOf(message.content), writtenAtOf(message, now()));
      awaited.get(String(message.properties.messageId))?.resolve();
    },
    { arguments: { 'x-stream-offset': 'first' } },
  );
}

/** An entry on its way, which says when it was written. */
export function entrySending(
  stream: string,
  content: string,
  { messageId, now }: { readonly messageId: string; readonly now: number },
): Sending {
  // AMQP counts in seconds.
  const properties = { messageId, timestamp: Math.floor(now / 1_000) };
  return { exchange: '', key: stream, body: Buffer.from(content), properties };
}

/** A program that does not say it is taken to have written just now. */
function writtenAtOf({ properties }: ConsumeMessage, now: number): number {
  const timestamp = properties.timestamp as unknown;
  return typeof timestamp === 'number' ? Math.min(timestamp * 1_000, now) : now;
}

function entryOf(content: Buffer): unknown {
  try {
    return JSON.parse(content.toString('utf8'));
  } catch {
    return null;
  }
}
