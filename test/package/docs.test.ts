/**
 * The generated pages are what their generators print.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'vitest';
import { guarantees, guaranteesFile, render } from '../../scripts/guarantees.ts';

test('docs/guarantees.md is up to date', () => {
  assert.equal(readFileSync(guaranteesFile, 'utf8'), guarantees(), 'renew it by: npm run docs');
});

test('an engine is marked for a case only when it has all the case needs', () => {
  const engines = [
    { name: 'swift', capabilities: { fencing: true, lease: 'timed', maxBodyBytes: 1_000 } },
    { name: 'plain', capabilities: { fencing: false, lease: 'timed', maxBodyBytes: 10 } },
  ];
  const cases = [
    { id: 'C1', title: 'both', needs: { lease: 'timed' } },
    { id: 'C2', title: 'swift only', promise: 'G2', needs: { fencing: true, lease: 'timed' } },
    { id: 'C3', title: 'large', needs: { maxBodyBytes: 100 } },
  ];

  const page = render(engines, cases);

  assert.match(page, /^\| C1 \|  \| both \| yes \| yes \|$/m);
  assert.match(page, /^\| C2 \| G2 \| swift only \| yes \| – \|$/m);
  assert.match(page, /^\| C3 \|  \| large \| yes \| – \|$/m);
});
