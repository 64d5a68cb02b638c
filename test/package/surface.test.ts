/**
 * The public names and their types change only on purpose. Accept a change by `npm run surface`.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { entrySources, readSurface, surfaceFile, type Names } from '../../scripts/surface.ts';
import { readTypes, typesFile } from '../../scripts/surface-types.ts';

/** Few enough to know by heart is 25; more than 40 is no longer one idea. */
const rootNames = { aim: 25, limit: 41 };

const surface = readSurface();

test('every subpath exports something', () => {
  assert.ok(Object.keys(surface).length > 0);
  for (const [subpath, { values }] of Object.entries(surface)) {
    assert.ok(values.length > 0, `${subpath} exports no value`);
  }
});

describe('the public names are the accepted ones', () => {
  const accepted = existsSync(surfaceFile)
    ? (JSON.parse(readFileSync(surfaceFile, 'utf8')) as Record<string, Names>)
    : {};

  test.each([...new Set([...Object.keys(surface), ...Object.keys(accepted)])])('%s', (subpath) => {
    expect(surface[subpath], 'accept it by: npm run surface').toEqual(accepted[subpath]);
  });
});

test('the types behind them are the accepted ones', { timeout: 120_000 }, () => {
  const accepted = existsSync(typesFile) ? readFileSync(typesFile, 'utf8') : '';

  const types = readTypes(entrySources());

  expect(types, 'accept them by: npm run surface, and review what that changes').toBe(accepted);
});

test('the root stays small', () => {
  const { values, types } = surface['malote'] ?? { values: [], types: [] };
  const count = values.length + types.length;
  if (count > rootNames.aim) console.log(`malote exports ${count} names, aim at ${rootNames.aim}`);
  assert.ok(count <= rootNames.limit, `malote exports ${count} names, at most ${rootNames.limit}`);
});

test('no entry exports everything of another file', () => {
  for (const [subpath, { values, types }] of Object.entries(surface)) {
    assert.ok(![...values, ...types].includes('*'), `${subpath} has an export *`);
  }
});
