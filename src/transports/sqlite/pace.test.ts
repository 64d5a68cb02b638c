/** A turn's size follows its length, within bounds, so that no turn blocks the loop for long. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { createPace } from './pace.ts';

test('short turns take on twice as much each time, up to a bound', () => {
  const pace = createPace();

  assert.equal(pace.limit, 512);
  pace.worked(5.9);
  assert.equal(pace.limit, 1_024);
  for (let turn = 0; turn < 10; turn++) pace.worked(0);
  assert.equal(pace.limit, 2_048);
});

test('long turns take on half as much each time, down to what shares a commit well', () => {
  const pace = createPace();
  for (let turn = 0; turn < 10; turn++) pace.worked(0);

  pace.worked(12.1);
  assert.equal(pace.limit, 1_024);
  for (let turn = 0; turn < 10; turn++) pace.worked(100);
  assert.equal(pace.limit, 512);
});

test('turns of 6 to 12 ms stay as they are', () => {
  const pace = createPace();
  pace.worked(0);

  for (const tookMs of [6, 9, 12]) pace.worked(tookMs);

  assert.equal(pace.limit, 1_024);
});

test('functions are halved by a commit that they spoil, and doubled by each turn', () => {
  const pace = createPace();
  assert.equal(pace.effectLimit, 512);

  pace.spoiled(100);
  assert.equal(pace.effectLimit, 50);
  pace.spoiled(1);
  assert.equal(pace.effectLimit, 1);
  pace.worked(0);
  assert.equal(pace.effectLimit, 2);
  for (let turn = 0; turn < 20; turn++) pace.worked(9);
  assert.equal(pace.effectLimit, pace.limit);
});

test('a turn claims twice as many small bodies as it does other operations', () => {
  const pace = createPace();
  for (let batch = 0; batch < 100; batch++) pace.delivered(1_000, 1_000 * 200);

  assert.equal(pace.claimLimit, 1_024);
  pace.worked(0);
  assert.equal(pace.claimLimit, 2_048);
});

test('a turn claims no more than 8 MiB of bodies, and takes them for 64 KiB before it knows', () => {
  const pace = createPace();
  assert.equal(pace.claimLimit, 128);

  for (let batch = 0; batch < 100; batch++) pace.delivered(1, 2 ** 20);
  assert.equal(pace.claimLimit, 8);
  for (let batch = 0; batch < 100; batch++) pace.delivered(1, 100 * 2 ** 20);
  assert.equal(pace.claimLimit, 1);
});
