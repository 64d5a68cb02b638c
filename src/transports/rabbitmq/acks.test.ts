/** Acknowledgements as the wire has them. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Channel } from 'amqplib';
import { test } from 'vitest';
import { acksIn } from '../../../test/support/amqp-frames.ts';
import { writeAcks } from './acks.ts';

function channelOf(written: Buffer[]): Channel {
  const buffer = { write: (bytes: Buffer) => void written.push(bytes) };
  return { ch: 513, connection: { channels: { 513: { buffer } } } } as unknown as Channel;
}

test('all of a turn leave in one piece, the first of them for those before it', () => {
  const written: Buffer[] = [];

  writeAcks(channelOf(written), [7, 9, 2 ** 40 + 5], true);

  assert.equal(written.length, 1);
  assert.deepEqual(acksIn(written[0]!), [
    { channel: 513, tag: 7, isRun: true },
    { channel: 513, tag: 9, isRun: false },
    { channel: 513, tag: 2 ** 40 + 5, isRun: false },
  ]);
});

test('they are the bytes that the driver would write', () => {
  const written: Buffer[] = [];
  const tags = [7, 9, 2 ** 40 + 5];

  writeAcks(channelOf(written), tags, true);

  const { BasicAck, encodeMethod } = driversFrames();
  const frames = tags.map((deliveryTag, index) =>
    encodeMethod(BasicAck, 513, { deliveryTag, multiple: index === 0 }),
  );
  assert.equal(written[0]!.toString('hex'), Buffer.concat(frames).toString('hex'));
});

test('nothing is written where there is nothing to say, or the channel is closed', () => {
  const written: Buffer[] = [];
  const closed = Object.assign(channelOf(written), { accept: null });

  writeAcks(channelOf(written), [], false);
  writeAcks(closed, [1], false);

  assert.deepEqual(written, []);
});

test('a driver that is made otherwise is refused by name', () => {
  const other = { ch: 1, connection: { channels: [] } } as unknown as Channel;

  assert.throws(() => writeAcks(other, [1], false), { code: 'DRIVER_MISSING' });
});

interface Frames {
  readonly BasicAck: number;
  encodeMethod(
    method: number,
    channel: number,
    fields: { readonly deliveryTag: number; readonly multiple: boolean },
  ): Buffer;
}

/** What the driver exports to itself alone. */
function driversFrames(): Frames {
  const require = createRequire(import.meta.url);
  return require(join(dirname(require.resolve('amqplib')), 'lib/defs.js')) as Frames;
}
