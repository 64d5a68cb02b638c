/**
 * One at a time in a whole namespace. A lock is an exclusive queue: it goes with the connection of
 * its holder. That connection may declare it once more, so callers of one connection stand in line
 * here.
 */

import type { ChannelModel } from 'amqplib';
import { sleep, systemClock } from '../../clock.ts';
import { MaloteError } from '../../errors.ts';
import { closeChannel } from './driver.ts';
import { callFailure, messageOf } from './failures.ts';

export interface Locking<Answer> {
  /** The name of its queue. */
  readonly lock: string;
  /** What is locked, for errors. */
  readonly what: string;
  /** For how long to wait for others; without it, until the connection ends. */
  readonly waitMs: number;
  readonly work: () => Promise<Answer>;
}

const pauseMs = 15;
/** A try is a line in the log of the server; a connection that nobody ends may stay for long. */
const longestPauseMs = 240;

const lines = new WeakMap<ChannelModel, Map<string, Promise<unknown>>>();

/** @throws MaloteError `ENGINE_BUSY` */
export function locked<Answer>(model: ChannelModel, locking: Locking<Answer>): Promise<Answer> {
  const line = lines.get(model) ?? new Map<string, Promise<unknown>>();
  lines.set(model, line);
  const { lock } = locking;
  const before = line.get(lock) ?? Promise.resolve();
  const answer = before.then(() => lockedAlone(model, locking));
  const over = answer
    .catch(() => undefined)
    .then(() => {
      if (line.get(lock) === over) line.delete(lock);
    });
  line.set(lock, over);
  return answer;
}

async function lockedAlone<Answer>(
  model: ChannelModel,
  { lock, what, waitMs, work }: Locking<Answer>,
): Promise<Answer> {
  const until = systemClock.monotonic() + waitMs;
  for (;;) {
    const release = await tryLock(model, { lock, what });
    if (release !== null) {
      try {
        return await work();
      } finally {
        await release();
      }
    }
    if (systemClock.monotonic() > until) {
      throw new MaloteError('ENGINE_BUSY', `another process has held ${what} for ${waitMs} ms`);
    }
    await sleep(pauseMs);
  }
}

/**
 * Resolves when the server has ended the connection that this was called with before: nothing that
 * was on its way by that comes after what is sent from now on. Rejects when this one ends.
 */
export async function takeOver(model: ChannelModel, lock: string): Promise<void> {
  let restMs = pauseMs;
  // The queue stays until this connection ends as well.
  while ((await tryLock(model, { lock, what: 'the connection before this one' })) === null) {
    await sleep(restMs);
    restMs = Math.min(2 * restMs, longestPauseMs);
  }
}

async function tryLock(
  model: ChannelModel,
  { lock, what }: Pick<Locking<unknown>, 'lock' | 'what'>,
): Promise<(() => Promise<void>) | null> {
  const channel = await model.createChannel();
  channel.on('error', () => undefined);
  try {
    await channel.assertQueue(lock, { exclusive: true, durable: false });
  } catch (error) {
    if (/RESOURCE.LOCKED|\b405\b/.test(messageOf(error))) return null;
    throw callFailure(error, `locking ${what}`);
  }
  return async () => {
    await channel.deleteQueue(lock).catch(() => undefined);
    await closeChannel(channel);
  };
}
