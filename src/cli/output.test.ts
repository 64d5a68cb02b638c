/** Times as a table at a terminal shows them. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { shortened } from './output.ts';

const present = '2026-11-28T18:50:00.000Z';

test.each([
  ['2026-11-28T18:41:03.691Z', '11-28 18:41:03Z'],
  ['2026-01-02T00:00:00.000Z', '01-02 00:00:00Z'],
  ['2025-11-28T18:41:03.691Z', '2025-11-28 18:41:03Z'],
  ['2027-01-01T00:00:00.000Z', '2027-01-01 00:00:00Z'],
])('%s is shown as %s', (instant, short) => {
  assert.equal(shortened(instant, present), short);
});
