/** What is known of the messages that were done in a partition. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { createRecent, type Published } from './recent.ts';

function published(identity: string, acceptedAt: number): Published {
  return { identity, acceptedAt };
}

test('each publish under one id is remembered by itself', () => {
  const recent = createRecent(8);

  recent.add(published('a', 1));
  recent.add(published('a', 3));

  const known = [1, 2, 3].map((acceptedAt) => recent.has(published('a', acceptedAt)));
  assert.deepEqual(known, [true, false, true]);
});

test('an id that looks like another one with a time is not taken for it', () => {
  const recent = createRecent(8);

  recent.add(published('a', 1));
  recent.add(published('a 3', 2));

  assert.equal(recent.has(published('a', 3)), false);
});

test('the last ones are remembered, and what was done long before is forgotten', () => {
  const recent = createRecent(2);

  for (const acceptedAt of [1, 2, 3, 4, 5]) recent.add(published('a', acceptedAt));

  const known = [1, 2, 3, 4, 5].map((acceptedAt) => recent.has(published('a', acceptedAt)));
  assert.deepEqual(known, [false, false, true, true, true]);
});

test('of one instant the last ones are remembered as well, however many there are', () => {
  const recent = createRecent(2);

  for (const identity of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) recent.add(published(identity, 1));

  const known = ['a', 'e', 'f', 'g', 'h'].map((identity) => recent.has(published(identity, 1)));
  assert.deepEqual(known, [false, true, true, true, false]);
});
