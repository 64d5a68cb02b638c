/** What a change of its subscription does to a lane table. */

import assert from 'node:assert/strict';
import { test } from 'vitest';
import { bench } from '../../test/support/lane-table.ts';
import { nextDue } from './lane-table.ts';
import { changeSettings } from './lane-table-lanes.ts';

test('a new deadline holds for what waits already', () => {
  const at = bench();
  at.add('late', 'k', { facts: ['never'] });
  assert.deepEqual(at.take(at.claimant()), []);

  changeSettings(at.table, { ...at.table.settings, waitingDeadlineMs: 500 });

  assert.equal(nextDue(at.table), at.now + 500);
  at.now += 500;
  assert.deepEqual(at.take(at.claimant()), ['late']);
});
