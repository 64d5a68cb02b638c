/** A turn's size follows its length, within bounds, so that no turn blocks the loop for long. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { createPace, type Pace } from './pace.ts';

/** As many turns as it takes for the limit to stand still, of so many messages in so many ms. */
function settled(pace: Pace, tookMs: number, messages: number): number {
  for (let turn = 0; turn < 20; turn++) pace.worked(tookMs, 3 * messages);
  return pace.limit;
}

test('a turn takes on what 9 ms are enough for, by the last turns', () => {
  const pace = createPace();
  assert.equal(pace.limit, 512);

  assert.equal(settled(pace, 9, 1_000), 1_000);
  assert.equal(settled(pace, 18, 1_000), 500);
  assert.equal(settled(pace, 3, 300), 900);
});

test('it takes on enough to share a commit well, and not so much that one turn is all', () => {
  const pace = createPace();

  assert.equal(settled(pace, 0, 1_000), 2_048);
  assert.equal(settled(pace, 1_000, 1_000), 128);
});

test('one long turn halves the next at most', () => {
  const pace = createPace();
  settled(pace, 9, 1_000);

  pace.worked(1_000, 3 * 1_000);

  assert.equal(pace.limit, 504);
});

test('small turns say nothing of large ones', () => {
  const pace = createPace();

  assert.equal(settled(pace, 9, 127), 512);
  assert.equal(settled(pace, 9, 128), 128);
});

test('it settles twice as many as it publishes, so that what is late can be made up for', () => {
  const pace = createPace();

  assert.equal(pace.settleLimit, 1_024);
  settled(pace, 9, 1_000);
  assert.equal(pace.settleLimit, 2_000);
});

test('functions are halved by a commit that they spoil, and doubled by each turn', () => {
  const pace = createPace();
  assert.equal(pace.effectLimit, 512);

  pace.spoiled(100);
  assert.equal(pace.effectLimit, 50);
  pace.spoiled(1);
  assert.equal(pace.effectLimit, 1);
  pace.worked(0, 0);
  assert.equal(pace.effectLimit, 2);
  for (let turn = 0; turn < 20; turn++) pace.worked(9, 0);
  assert.equal(pace.effectLimit, pace.limit);
});

test('a turn claims twice as many small bodies as it does other operations', () => {
  const pace = createPace();
  pace.delivered(1_000, 1_000 * 200);

  assert.equal(pace.claimLimit, 1_024);
  settled(pace, 9, 1_000);
  assert.equal(pace.claimLimit, 2_000);
});

test('a turn claims no more than 8 MiB of bodies, and takes them for 64 KiB before it knows', () => {
  const pace = createPace();
  assert.equal(pace.claimLimit, 128);

  pace.delivered(1, 2 ** 20);
  assert.equal(pace.claimLimit, 8);
  pace.delivered(1, 100 * 2 ** 20);
  assert.equal(pace.claimLimit, 1);
});
