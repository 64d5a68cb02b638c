/**
 * Types, lint and format, counted like any other test.
 */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { bin, node } from '../support/command.ts';

const checks = [
  { title: 'the types agree', command: [bin.tsc] },
  {
    title: 'the linter has no complaint',
    command: [bin.oxlint, '--type-aware', '--deny-warnings'],
  },
  { title: 'every file is formatted', command: [bin.biome, 'format', '.'] },
];

test.each(checks)('$title', { timeout: 120_000 }, async ({ command }) => {
  const { status, output } = await node(command);

  assert.equal(status, 0, output);
});
