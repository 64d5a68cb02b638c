/** Who waits for room stands where it called, whatever it asked in vain. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { createRoomLine, type InLine, type RoomLine } from './room-line.ts';

test('the first of every topic are taken, in the order of their calls', () => {
  const line = filled(['a', 1], ['b', 2], ['a', 3], ['a', 4]);
  assert.deepEqual(ordersOf(line.take(2)), [1, 3, 2]);
  assert.deepEqual([line.size, line.fullFor('a'), line.fullFor('b')], [1, 'full', undefined]);
});

test('whoever asked in vain stands in front of those that came since', () => {
  const line = filled(['a', 1], ['a', 2], ['a', 3], ['a', 4]);
  const [first, second, third] = line.take(3);
  line.add({ topic: 'a', order: 5 }, 'full');
  for (const waiter of [second!, third!, first!]) line.add(waiter, 'also full');
  assert.equal(line.fullFor('a'), 'also full');
  assert.deepEqual(ordersOf(line.take(10)), [1, 2, 3, 4, 5]);
  assert.equal(line.size, 0);
});

test('whoever waits no longer is taken out, and nobody else', () => {
  const line = filled(['a', 1], ['b', 2], ['a', 3], ['c', 4]);
  const gone = line.sweep(({ order }) => order > 2);
  assert.deepEqual(
    gone.map(([{ order }, subscription]) => [order, subscription]),
    [
      [1, 'full'],
      [2, 'full'],
    ],
  );
  assert.deepEqual([line.size, line.fullFor('b')], [2, undefined]);
  assert.deepEqual(ordersOf(line.take(10)), [3, 4]);
});

function filled(...waiters: [topic: string, order: number][]): RoomLine<InLine> {
  const line = createRoomLine<InLine>();
  for (const [topic, order] of waiters) line.add({ topic, order }, 'full');
  return line;
}

function ordersOf(waiters: readonly InLine[]): number[] {
  return waiters.map(({ order }) => order);
}
