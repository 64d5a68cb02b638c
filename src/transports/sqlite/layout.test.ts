/** Numbers that are stored: they must stay what they are, and stay exact. */
import assert from 'node:assert/strict';
import { expect, test } from 'vitest';
import {
  endOfRange,
  hashKey,
  isKeyed,
  keyedRange,
  lastSequence,
  lastTickOf,
  looseRange,
  mostSubscriptions,
  msOf,
  readyState,
  subscriptionOf,
  ticksOf,
} from './layout.ts';

test('the last row id of the last subscription is exact', () => {
  const last = keyedRange(mostSubscriptions - 1) + lastSequence;

  assert.ok(Number.isSafeInteger(last) && last < endOfRange(keyedRange(mostSubscriptions - 1)));
  assert.equal(subscriptionOf(last), mostSubscriptions - 1);
});

test('a row id tells its subscription and whether it is keyed', () => {
  for (const number of [0, 1, 511, mostSubscriptions - 1]) {
    for (const sequence of [1, 77, lastSequence]) {
      assert.deepEqual(
        [subscriptionOf(looseRange(number) + sequence), isKeyed(looseRange(number) + sequence)],
        [number, false],
      );
      assert.deepEqual(
        [subscriptionOf(keyedRange(number) + sequence), isKeyed(keyedRange(number) + sequence)],
        [number, true],
      );
    }
  }
});

test('a key has the same number for ever', () => {
  assert.deepEqual(
    ['', 'k', 'customer:5', 'ünïcode 🧨'].map((key) => hashKey(key, 0)),
    [3338908027751812, 3919474532866557, 1019829327896133, 3376274279912498],
  );
  for (let index = 0; index < 10_000; index++) {
    const number = hashKey(`key ${index}`, 2 ** 52 - 1 - index);
    expect(Number.isSafeInteger(number) && number > 0).toBe(true);
  }
  assert.equal(new Set(Array.from({ length: 10_000 }, (_, i) => hashKey(`${i}`, 7))).size, 10_000);
});

test('both halves of the seed change the number of a key, and how keys differ', () => {
  const seeds = [0, 1, 2 ** 31, 2 ** 32, 2 ** 51, 2 ** 52 - 1];

  const numbers = seeds.map((seed) => hashKey('customer:5', seed));
  const apart = seeds.map((seed) => hashKey('customer:5', seed) - hashKey('customer:6', seed));

  assert.equal(new Set(numbers).size, seeds.length);
  assert.equal(new Set(apart).size, seeds.length);
});

test('ticks keep the order of time first, then of the sequence', () => {
  const ms = Date.UTC(2030, 0, 1);

  expect(ticksOf(ms, 5)).toBeLessThan(ticksOf(ms, 6));
  expect(ticksOf(ms, 4_095)).toBeLessThan(ticksOf(ms + 1, 0));
  expect(ticksOf(ms, 4_095)).toBe(lastTickOf(ms));
  assert.equal(msOf(ticksOf(ms, 4_095)), ms);
  for (const year of [2089, 2106, 275_000]) {
    assert.ok(Number.isSafeInteger(ticksOf(Date.UTC(year, 0, 1), 4_095)), `${year}`);
  }
});

test('a head that was suspected more than once must be alone', () => {
  assert.deepEqual([0, 4, 1, 5, 2, 3, 7].map(readyState), [0, 0, 5, 5, 6, 6, 6]);
});
