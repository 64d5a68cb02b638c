/**
 * Acknowledgements as AMQP 0-9-1 has them on the wire (its specification, section 2.3.5), as many
 * as a channel has to say at a time in one piece. The driver takes each of them through two streams
 * by itself. They go the way of all that it says on the channel, and nothing overtakes them.
 */

import type { Channel } from 'amqplib';
import { MaloteError } from '../../errors.ts';
import { basic, frameHead, frameMark, frameType, method } from './amqp.ts';

/** What the driver has for itself. */
interface Driven {
  readonly ch: number;
  readonly connection: {
    readonly channels: readonly { readonly buffer: { write(bytes: Buffer): void } }[];
  };
}

/** Class, method, tag, and whether it stands for all before it. */
const payloadBytes = 13;
const ackBytes = frameHead + payloadBytes + 1;

/** The first one stands for all before it where `isRun` says so. */
export function writeAcks(channel: Channel, tags: readonly number[], isRun: boolean): void {
  // Closed since: the server heeds nothing more of it, and its number may be another's by now.
  if (tags.length === 0 || Object.hasOwn(channel, 'accept')) return;
  const { ch, connection } = channel as unknown as Driven;
  const out = connection.channels[ch]?.buffer;
  if (typeof out?.write !== 'function') {
    throw new MaloteError('DRIVER_MISSING', 'this version of "amqplib" is not known; use 2.3.1');
  }
  const bytes = Buffer.allocUnsafe(tags.length * ackBytes);
  let at = 0;
  for (let index = 0; index < tags.length; index++) {
    at = writeAck(bytes, at, { ch, tag: tags[index]!, isRun: isRun && index === 0 });
  }
  out.write(bytes);
}

interface Ack {
  readonly ch: number;
  readonly tag: number;
  readonly isRun: boolean;
}

function writeAck(bytes: Buffer, from: number, { ch, tag, isRun }: Ack): number {
  bytes[from] = frameType.method;
  let at = bytes.writeUInt16BE(ch, from + 1);
  at = bytes.writeUInt32BE(payloadBytes, at);
  at = bytes.writeUInt16BE(basic, at);
  at = bytes.writeUInt16BE(method.ack, at);
  at = bytes.writeUInt32BE(Math.floor(tag / 2 ** 32), at);
  at = bytes.writeUInt32BE(tag >>> 0, at);
  bytes[at] = isRun ? 1 : 0;
  bytes[at + 1] = frameMark;
  return at + 2;
}
