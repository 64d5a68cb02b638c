/** Who waits for room stands where it called, whatever it asked in vain. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { type VirtualClock, virtualClock } from '../testing/virtual-clock.ts';
import { createRoomLine, type Full, type InLine, type RoomLine } from './room-line.ts';

test('the first of every topic are let in, in the order of their calls', () => {
  const { line, asked } = create(['a', 1], ['b', 2], ['a', 3], ['a', 4]);
  line.roomMade(2);
  assert.deepEqual(asked, [1, 2, 3]);
  assert.deepEqual([line.join(waiter('a', 5)), line.join(waiter('b', 6))], [true, false]);
  assert.deepEqual(ordersOf(line.drain()), [4, 5]);
});

test('whoever asked in vain stands in front of those that came since', () => {
  const { line, asked } = create(['a', 1], ['a', 2], ['a', 3], ['a', 4]);
  line.roomMade(3);
  line.join(waiter('a', 5));
  for (const order of [2, 3, 1]) line.add(waiter('a', order), fullOf('a'));
  line.roomMade(10);
  assert.deepEqual(asked, [1, 2, 3, 1, 2, 3, 4, 5]);
});

test('topics that one subscription is full for share its line', () => {
  const { line, asked } = create();
  line.add(waiter('a', 1), fullOf('a', 'b'));
  assert.equal(line.join(waiter('b', 3)), true);
  line.add(waiter('a', 2), fullOf('a', 'b'));
  assert.deepEqual([line.waitsFor('b'), line.waitsFor('c')], ['full of a,b', undefined]);
  line.roomMade(2);
  assert.deepEqual(asked, [1, 2]);
});

test('without a word of room more and more of them ask, until one does so in vain', async () => {
  const { line, asked, clock } = create();
  for (let order = 1; order <= 100; order++) line.add(waiter('a', order), fullOf('a'));
  await clock.advance(20);
  assert.equal(asked.length, 16);
  await clock.advance(20);
  assert.equal(asked.length, 16 + 32);
  line.add(waiter('a', 48), fullOf('a'));
  await clock.advance(20);
  assert.deepEqual(asked.slice(48), [48, ...Array.from({ length: 15 }, (_, index) => 49 + index)]);
});

test('whoever may wait no longer is refused at the next look, and nobody else', async () => {
  const { line, asked, refused, clock } = create(['a', 1], ['b', 2], ['a', 3], ['c', 4]);
  await clock.advance(19);
  line.join(waiter('a', -5));
  await clock.advance(1);
  assert.deepEqual([asked, refused], [[1, 2, 3, 4], ['-5 full of a']]);
  assert.deepEqual(line.drain(), []);
});

function create(...waiters: [topic: string, order: number][]): {
  line: RoomLine<InLine>;
  asked: number[];
  refused: string[];
  clock: VirtualClock;
} {
  const clock = virtualClock();
  const asked: number[] = [];
  const refused: string[] = [];
  const line = createRoomLine<InLine>({
    clock,
    mayWait: ({ order }) => order > 0,
    ask: ({ order }) => asked.push(order),
    refuse: ({ order }, subscription) => refused.push(`${order} ${subscription}`),
  });
  for (const [topic, order] of waiters) line.add(waiter(topic, order), fullOf(topic));
  return { line, asked, refused, clock };
}

function fullOf(...topics: string[]): Full {
  return { subscription: `full of ${topics.join()}`, topics };
}

function waiter(topic: string, order: number): InLine {
  return { topic, order };
}

function ordersOf(waiters: readonly InLine[]): number[] {
  return waiters.map(({ order }) => order);
}
