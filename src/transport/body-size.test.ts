/** What is expected of bodies that nobody has seen. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { createBodySize } from './body-size.ts';

test('a guess holds until the first ones came', () => {
  const size = createBodySize(100);
  assert.equal(size.within(1_000), 10);
  size.came(0, 0);
  assert.equal(size.within(1_000), 10);
  size.came(4, 4 * 50);
  assert.equal(size.within(1_000), 20);
});

test('larger bodies count at once, smaller ones by and by', () => {
  const size = createBodySize(100);
  size.came(10, 10 * 10);
  size.came(1, 1_000);
  assert.equal(size.within(4_000), 4);
  size.came(1, 0);
  assert.equal(size.within(4_000), 5);
  for (let batch = 0; batch < 100; batch++) size.came(1, 0);
  assert.equal(size.within(4_001), 4_000);
});

test('one message is taken, however large', () => {
  const size = createBodySize(100);
  size.came(1, 5_000);
  assert.equal(size.within(1_000), 1);
});
