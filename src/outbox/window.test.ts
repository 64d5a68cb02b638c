/** The rows of a relay, by the size of their bodies. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { createWindow } from './window.ts';

const rows = (count: number, bytes: number): { readonly body: string }[] =>
  Array.from({ length: count }, () => ({ body: 'x'.repeat(bytes) }));

test('few rows are asked for before their size is known', () => {
  assert.equal(createWindow(4_000).size, 64);
});

test('small rows are bounded by their number', () => {
  const window = createWindow(4_000);
  window.delivered(rows(64, 200));
  assert.equal(window.size, 4_000);
});

test('large rows are bounded by 32 MiB', () => {
  const window = createWindow(4_000);
  window.delivered(rows(2, 2 ** 20));
  assert.equal(window.size, 32);
  window.delivered(rows(1, 2 ** 26));
  assert.equal(window.size, 1, 'one row at least');
});

test('larger rows count at once, smaller ones by and by', () => {
  const window = createWindow(4_000);
  window.delivered(rows(64, 200));
  window.delivered(rows(1, 2 ** 20));
  assert.equal(window.size, 32);
  window.delivered(rows(1, 0));
  assert.equal(window.size, 42);
  for (let batch = 0; batch < 40; batch++) window.delivered(rows(1, 0));
  assert.equal(window.size, 4_000);
});

test('nothing says nothing', () => {
  const window = createWindow(4_000);
  window.delivered([]);
  assert.equal(window.size, 64);
});
