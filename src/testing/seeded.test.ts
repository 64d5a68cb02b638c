/** Chance that can be repeated, and ids that count. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { seededRandom, sequentialIds } from './seeded.ts';

test('the same seed gives the same numbers, another seed gives others', () => {
  const row = (seed: number): number[] => {
    const random = seededRandom(seed);
    return Array.from({ length: 20 }, () => random());
  };

  assert.deepEqual(row(7), row(7));
  assert.notDeepEqual(row(7), row(8));
});

test('numbers lie from 0 up to 1 and are spread evenly', () => {
  const random = seededRandom(3);
  const tenths = Array.from({ length: 10 }, () => 0);
  for (let drawn = 0; drawn < 10_000; drawn++) {
    const value = random();
    assert.ok(value >= 0 && value < 1);
    const tenth = Math.floor(value * 10);
    tenths[tenth] = (tenths[tenth] ?? 0) + 1;
  }

  assert.ok(
    tenths.every((count) => count > 900 && count < 1_100),
    tenths.join(', '),
  );
});

test('ids count up from one', () => {
  const next = sequentialIds('m');

  assert.deepEqual([next(), next(), next()], ['m1', 'm2', 'm3']);
});
