/** Which of several states of a message stays unacknowledged. */
import assert from 'node:assert/strict';
import type { Channel, ConsumeMessage } from 'amqplib';
import { test } from 'vitest';
import { acksIn } from '../../../test/support/amqp-frames.ts';
import { TextMap } from '../../transport/text-map.ts';
import { createAckBook, placeOf, type Place } from './ack-book.ts';
import type { Incoming, Source } from './hold.ts';
import { takeAgain, takeCopy } from './source.ts';

/** A message whose first copy is on its way, and behind it the second one. */
function moving(): {
  readonly source: Source;
  place(): Place;
  /** By their tags, in the order of their coming. */
  acknowledged(): Promise<readonly number[]>;
} {
  const tags: number[] = [];
  const buffer = {
    write(bytes: Buffer) {
      for (const { tag, isRun } of acksIn(bytes)) {
        for (let one = isRun ? 1 : tag; one <= tag; one++) if (!tags.includes(one)) tags.push(one);
      }
    },
  };
  const channel = { ch: 1, connection: { channels: [null, { buffer }] } } as unknown as Channel;
  const book = createAckBook(channel, 'side');
  let came = 0;
  const place = (): Place => {
    came += 1;
    const fields = { deliveryTag: came };
    return placeOf(book, { fields, content: Buffer.alloc(0) } as ConsumeMessage);
  };
  const state = {
    placeVersion: 0,
    version: 2,
    acceptedAt: 7,
    isCopying: true,
    isDone: false,
    arrivals: null,
  };
  const hold = { byIdentity: new TextMap<Source>() };
  const source = { ...state, identity: 'm', hold, place: place() } as unknown as Source;
  hold.byIdentity.set('m', source);
  return {
    source,
    place,
    async acknowledged() {
      await Promise.resolve();
      return tags;
    },
  };
}

test('a copy takes the place of what it was made from, also where a newer one is on its way', async () => {
  const { source, place, acknowledged } = moving();

  takeCopy(source, 1, place());
  assert.deepEqual([await acknowledged(), source.place?.tag, source.isCopying], [[1], 2, true]);

  takeCopy(source, 2, place());
  assert.deepEqual([await acknowledged(), source.place?.tag, source.isCopying], [[1, 2], 3, false]);
});

test('a copy that is repeated, or older, is acknowledged', async () => {
  const { source, place, acknowledged } = moving();

  takeCopy(source, 2, place());
  takeCopy(source, 1, place());
  takeCopy(source, 2, place());
  assert.deepEqual([await acknowledged(), source.place?.tag], [[1, 3, 4], 2]);
});

test('of a message that is done every copy is acknowledged, and it is known until the last', async () => {
  const { source, place, acknowledged } = moving();
  source.isDone = true;

  takeCopy(source, 1, place());
  assert.deepEqual([await acknowledged(), source.hold.byIdentity.size], [[1, 2], 1]);
  takeCopy(source, 2, place());
  assert.deepEqual([await acknowledged(), source.hold.byIdentity.size], [[1, 2, 3], 0]);
});

test('what the server gives again takes the place of what it took back', async () => {
  const { source, place, acknowledged } = moving();
  const again = (change: Partial<Incoming['arrived']>): Incoming => {
    const arrived = { redelivered: true, acceptedAt: 7, note: null, ...change };
    return { arrived, place: place(), take: () => undefined } as unknown as Incoming;
  };

  const published = takeAgain(source, again({ acceptedAt: 8 }));
  const fresh = takeAgain(source, again({ redelivered: false }));
  assert.deepEqual(
    [published, fresh, await acknowledged(), source.place?.tag],
    [false, false, [], 1],
  );

  assert.equal(takeAgain(source, again({})), true);
  assert.deepEqual([await acknowledged(), source.place?.tag], [[1], 4]);
});
