/** Tables in a pipe, at a terminal, and at one that is too narrow for all their columns. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { aligned, columnsOf, folded, type Heads } from './table.ts';

const heads: Heads = {
  titles: ['ID', 'KEY', 'DEPTH', 'FAILURE'],
  kinds: ['text', 'text', 'figure', 'text'],
};
const rows = [
  ['0123456789', 'customer-5', '1', 'TypeError: it is no money'],
  ['abc', '-', '12000', '-'],
];

/** Every table, line by line. */
function shown(room: number): string[][] {
  const all = [heads.titles, ...rows];
  return folded(columnsOf(all), heads, room).map((fold) =>
    all.map((row) => aligned(row, fold, heads)),
  );
}

test('in a pipe nothing is cut', () => {
  assert.deepEqual(shown(0), [
    [
      'ID          KEY         DEPTH  FAILURE',
      '0123456789  customer-5      1  TypeError: it is no money',
      'abc         -           12000  -',
    ],
  ]);
});

test('at a terminal the widest text gives way, the first column never', () => {
  assert.deepEqual(shown(38), [
    [
      'ID          KEY        DEPTH  FAILURE',
      '0123456789  customer…      1  TypeErr…',
      'abc         -          12000  -',
    ],
  ]);
});

test('where not even the titles fit a table follows for the other columns', () => {
  assert.deepEqual(shown(30), [
    [
      'ID          KEY         DEPTH',
      '0123456789  customer-5      1',
      'abc         -           12000',
    ],
    ['ID          FAILURE', '0123456789  TypeError: it is …', 'abc         -'],
  ]);
});

test('a terminal that is narrower than the first column shows one other beside it', () => {
  assert.deepEqual(
    shown(5).map(([title]) => title?.split(/ +/)),
    [
      ['ID', 'KEY'],
      ['ID', 'DEPTH'],
      ['ID', 'FAILURE'],
    ],
  );
});
