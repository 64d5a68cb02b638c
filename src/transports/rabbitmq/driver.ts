/** The driver: amqplib, looked up when it is needed, so that whoever lacks it gets a sentence. */

import type { Channel, ChannelModel } from 'amqplib';
import type * as amqplib from 'amqplib';
import { MaloteError } from '../../errors.ts';
import { hide } from './addresses.ts';
import { readDeliveries } from './deliveries.ts';
import { connectFailure, messageOf } from './failures.ts';
import { gatherWrites } from './gather-writes.ts';
import type { Settings } from './settings.ts';

/** @throws MaloteError `DRIVER_MISSING` */
async function loadDriver(): Promise<typeof amqplib> {
  try {
    return await import('amqplib');
  } catch (cause) {
    const sentence = 'malote/rabbitmq needs the "amqplib" package; run "npm install amqplib"';
    throw new MaloteError('DRIVER_MISSING', sentence, { cause });
  }
}

/** A connection, and to which server of the cluster, by the place of its address. */
export interface Connected {
  readonly model: ChannelModel;
  readonly at: number;
}

/**
 * To the first server that answers, from one on; who does not answer is passed over.
 * @throws MaloteError as {@link connect} does; `ENGINE_UNREACHABLE` when none answers
 */
export async function connectToOne(
  settings: Settings,
  purpose: string,
  from: number,
): Promise<Connected> {
  const { urls } = settings;
  let failure: unknown = null;
  for (let tried = 0; tried < urls.length; tried++) {
    const at = (from + tried) % urls.length;
    try {
      return { model: await connect(urls[at]!, settings, purpose), at };
    } catch (error) {
      if (!(error instanceof MaloteError) || error.code !== 'ENGINE_UNREACHABLE') throw error;
      failure = error;
    }
  }
  if (urls.length === 1) throw failure;
  const sentence = `none of ${hide(urls)} answers; the last of them: ${messageOf(failure)}`;
  throw new MaloteError('ENGINE_UNREACHABLE', sentence, { cause: failure });
}

/** @throws MaloteError `DRIVER_MISSING`, `ENGINE_DENIED`, `ENGINE_UNREACHABLE` */
export async function connect(
  url: string,
  settings: Settings,
  purpose: string,
): Promise<ChannelModel> {
  const driver = await loadDriver();
  const { heartbeatSeconds, namespace, tls } = settings;
  try {
    const model = await driver.connect(withHeartbeat(url, heartbeatSeconds), {
      ...tls,
      noDelay: true,
      timeout: 10_000,
      clientProperties: { connection_name: `${namespace} ${purpose} ${process.pid}` },
    });
    gatherWrites(model);
    readDeliveries(model);
    return model;
  } catch (error) {
    throw connectFailure(error, url);
  }
}

function withHeartbeat(url: string, seconds: number): string {
  const address = new URL(url);
  address.searchParams.set('heartbeat', String(seconds));
  return address.href;
}

/** Hears of the end of a channel, and what the server said of it, if anything, in brackets. */
export function whenClosed(channel: Channel, heard: (because: string) => void): void {
  let because = '';
  channel.on('error', (error) => (because = ` (${messageOf(error)})`));
  channel.on('close', () => heard(because));
}

/**
 * Closes a channel. The driver answers nothing where the connection ends before the server has
 * answered: then the channel only says that it is closed.
 */
export async function closeChannel(channel: Channel): Promise<void> {
  const over = new Promise<void>((resolve) => void channel.once('close', () => resolve()));
  try {
    await Promise.race([over, channel.close()]);
  } catch {
    // It was closed already.
  }
}
