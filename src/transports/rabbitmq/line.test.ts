/** How long a lost connection rests between two tries. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { pauseAfter } from './line.ts';

test('pauses grow to a second and no further, and chance takes up to half of each', () => {
  const failures = [0, 1, 2, 3, 4, 5, 50, 5_000];

  assert.deepEqual(
    failures.map((count) => pauseAfter(count, 0)),
    [50, 100, 200, 400, 500, 500, 500, 500],
  );
  assert.deepEqual(
    failures.map((count) => Math.ceil(pauseAfter(count, 0.999_999))),
    [100, 200, 400, 800, 1_000, 1_000, 1_000, 1_000],
  );
});
