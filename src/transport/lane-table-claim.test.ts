/** Who goes out alone. */

import assert from 'node:assert/strict';
import { test } from 'vitest';
import { bench, failure, stepOf } from '../../test/support/lane-table.ts';
import { storyOf } from './lane-table.ts';
import { entriesNamed } from './lane-table-names.ts';
import { retry } from './lane-table-settle.ts';

test('what was out behind others when its process died goes out by itself', () => {
  const at = bench();
  for (const id of ['a1', 'a2', 'a3', 'a4']) at.add(id, 'a');
  const [behind] = entriesNamed(at.table, 'a3');
  assert.ok(behind);
  storyOf(behind).wasBehind = true;
  const claimant = at.claimant();

  const first = at.taken(claimant);
  for (const delivery of first) assert.ok(at.ack(delivery));
  const second = at.taken(claimant);
  retry(at.table, behind, { afterMs: 0, failure }, stepOf(at));

  assert.deepEqual(
    [first, second].map((batch) => batch.map(({ id }) => id)),
    [['a1', 'a2'], ['a3']],
  );
  assert.equal(storyOf(behind).wasBehind, false, 'its process survived it');
});
