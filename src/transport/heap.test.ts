/** The structures under the lane table: a heap that gives any item back, a shelf with pages. */

import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { test } from 'vitest';
import { before, createHeap, heapPush, heapRemove, type HeapItem } from './heap.ts';
import { createShelf, pageBehind, shelve, unshelve } from './shelf.ts';

test('the first item is the smallest, whichever items left in between', () => {
  const steps = fc.array(fc.tuple(fc.boolean(), fc.nat(1_000)), { maxLength: 200, size: 'max' });
  fc.assert(
    fc.property(steps, (moves) => {
      const heap = createHeap<HeapItem>();
      const model: HeapItem[] = [];
      moves.forEach(([isPush, number], order) => {
        if (isPush || model.length === 0) {
          const item = { at: number % 50, order, position: -1 };
          model.push(item);
          heapPush(heap, item);
        } else {
          const [item] = model.splice(number % model.length, 1);
          heapRemove(heap, item!);
          assert.equal(item!.position, -1);
        }
        const first = model.toSorted((a, b) => (before(a, b) ? -1 : 1))[0];
        assert.equal(heap.items[0], first);
        assert.equal(heap.items.length, model.length);
      });
      const drained: HeapItem[] = [];
      for (let item = heap.items[0]; item !== undefined; item = heap.items[0]) {
        drained.push(item);
        heapRemove(heap, item);
      }
      assert.deepEqual(
        drained,
        drained.toSorted((a, b) => (before(a, b) ? -1 : 1)),
      );
    }),
  );
});

test('a shelf gives pages behind a number, however many items left it', () => {
  const shelf = createShelf<string>();
  for (let number = 1; number <= 200; number++) shelve(shelf, number, `item ${number}`);
  for (let number = 1; number <= 200; number++) if (number % 10 > 0) unshelve(shelf, number);
  unshelve(shelf, 9);
  unshelve(shelf, 999);

  assert.equal(shelf.size, 20);
  assert.ok(shelf.items.length < 60, 'the gaps are closed');
  assert.deepEqual(pageBehind(shelf, 30, 2), ['item 40', 'item 50']);
  assert.deepEqual(pageBehind(shelf, 195, 9), ['item 200']);
  assert.deepEqual(pageBehind(shelf, 200, 9), []);
});
