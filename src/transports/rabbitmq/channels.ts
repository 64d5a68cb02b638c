/**
 * The channels that a session has at one subscription. A server fails with a consumer that comes to
 * a queue while that is deleted: so once they are closed, none is opened any more, and what was
 * about to be opened is closed as well.
 */

import type { Channel, ChannelModel } from 'amqplib';
import { closeChannel } from './driver.ts';
import { cutOff } from './failures.ts';

export interface Channels {
  /** Rejects once they are closed. */
  open(): Promise<Channel>;
  /** Resolves when the server has closed every one of them. */
  close(): Promise<void>;
}

const ignore = (): void => undefined;

export function createChannels(model: ChannelModel): Channels {
  const channels = new Set<Channel>();
  const opening = new Set<Promise<unknown>>();
  let isClosed = false;

  async function openOne(): Promise<Channel> {
    const channel = await model.createChannel();
    if (isClosed) {
      await closeChannel(channel);
      throw cutOff();
    }
    channels.add(channel);
    channel.once('close', () => channels.delete(channel));
    return channel;
  }

  return {
    open() {
      if (isClosed) return Promise.reject(cutOff());
      const channel = openOne();
      const over: Promise<unknown> = channel.then(ignore, ignore);
      opening.add(over);
      void over.then(() => opening.delete(over));
      return channel;
    },
    async close() {
      isClosed = true;
      await Promise.all([...[...channels].map(closeChannel), ...opening]);
    },
  };
}
