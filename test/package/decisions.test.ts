/** Pages that say what shows a promise name what is there. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { conformance } from 'malote/testing';
import { test } from 'vitest';

const page = readFileSync('docs/decisions/0010-no-failpoints.md', 'utf8');
const rows = page.split('\n').filter((line) => /^\| [A-Z]\d/.test(line));
const steps = { E: 5, T: 4, R: 8, W: 11, D: 9, K: 4 };

test('every step at which a process may die has cases or tests, and they exist', () => {
  const ids = new Set(conformance.map(({ id }) => id));
  for (const row of rows) {
    const [, , , cases = '', files = ''] = row.split('|');
    const [named, paths] = [quoted(cases), quoted(files)];

    assert.ok(named.length + paths.length > 0, `nothing shows ${row}`);
    for (const id of named) assert.ok(ids.has(id), `there is no case ${id}`);
    for (const path of paths) assert.ok(existsSync(path), `there is no file ${path}`);
  }
});

test('no step is left out', () => {
  const named = rows.flatMap((row) => row.split('|')[1]!.trim().split(', '));
  const all = Object.entries(steps).flatMap(([letter, count]) =>
    Array.from({ length: count }, (_, index) => `${letter}${index + 1}`),
  );

  assert.deepEqual(named.toSorted(), all.toSorted());
});

function quoted(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);
}
