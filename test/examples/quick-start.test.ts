/** The program the README shows. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { assertPrintsItsComment, runExample } from './program.ts';

const folder = temporaryFolder();

test('the quick start books a payment once its customer is there, and ends by itself', async () => {
  const program = runExample('quick-start.ts', { folder });

  assert.equal(await program.ended, 0, program.output);
  assertPrintsItsComment('quick-start.ts', program.output);
});

test('the quick start is short', () => {
  const lines = readFileSync('examples/quick-start.ts', 'utf8').trimEnd().split('\n');

  assert.ok(lines.length <= 40, `${lines.length} lines`);
});
