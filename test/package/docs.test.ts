/**
 * The generated pages are what their generators print.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'vitest';
import { guarantees, guaranteesFile, render, type PromiseCase } from '../../scripts/guarantees.ts';
import type { Capabilities } from '../../src/transport/capabilities.ts';

const strong: Capabilities = {
  delivery: 'lanes',
  lease: 'timed',
  fencing: true,
  dedupe: true,
  atomicSettle: true,
  survives: 'power-loss',
  processes: 'many',
  transactions: true,
  coordination: true,
  maxBodyBytes: 5_000,
  lookup: true,
  counts: 'exact',
};

test('docs/guarantees.md is up to date', () => {
  assert.equal(readFileSync(guaranteesFile, 'utf8'), guarantees(), 'renew it by: npm run docs');
});

test('an engine has a yes for a case only when it has all the case needs', () => {
  const engines = [
    { name: 'strong', capabilities: strong },
    { name: 'plain', capabilities: { ...strong, fencing: false, maxBodyBytes: 10 } },
  ];
  const cases: PromiseCase[] = [
    { id: 'both', promise: 'G1', title: 'shared', needs: { lease: 'timed' } },
    { id: 'fence', promise: 'G6', title: 'fenced', needs: { lease: 'timed', fencing: true } },
    { id: 'size', promise: 'G6', title: 'large', needs: { maxBodyBytes: 100 } },
  ];

  const page = render(engines, cases);

  assert.match(page, /^\| shared \| yes \| yes \| `both` \|$/m);
  assert.match(page, /^\| fenced \| yes \| not promised: .+ \| `fence` \|$/m);
  assert.match(page, /^\| large \| yes \| not promised: .+ \| `size` \|$/m);
  assert.match(page, /^\| `maxBodyBytes` \| .+ \| 5,000 \| 10 \|$/m);
});

test('the page holds every case once', () => {
  const page = guarantees();
  const ids = [...page.matchAll(/`([^`]+)` \|$/gm)].map((match) => match[1]);
  assert.ok(ids.length > 0);
  assert.equal(new Set(ids).size, ids.length, 'two cases have one id');
});
