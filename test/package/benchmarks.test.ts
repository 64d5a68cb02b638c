/**
 * The page of benchmarks says what was measured, and nothing else.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'vitest';
import { page, pageFile } from '../../bench/page.ts';

test('docs/benchmarks.md is what the kept results print', () => {
  assert.equal(readFileSync(pageFile, 'utf8'), page(), 'renew it by: npm run bench -- page');
});
