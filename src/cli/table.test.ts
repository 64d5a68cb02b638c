/** Tables in a pipe, at a terminal, and at one that is too narrow for all their columns. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { aligned, columnsOf, folded, type Heads } from './table.ts';

const heads: Heads = {
  titles: ['ID', 'KEY', 'DEPTH', 'SINCE', 'FAILURE'],
  kinds: ['text', 'text', 'figure', 'whole', 'text'],
};
const rows = [
  ['0123456789', 'customer-5', '1', '2026-11-28T18:41:03Z', 'TypeError: it is no money, 1.0 is'],
  ['abc', '-', '12000', '-', '-'],
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
      'ID          KEY         DEPTH  SINCE                 FAILURE',
      '0123456789  customer-5      1  2026-11-28T18:41:03Z  TypeError: it is no money, 1.0 is',
      'abc         -           12000  -                     -',
    ],
  ]);
});

test('at a terminal the last text gives way, as far as it can be read', () => {
  assert.deepEqual(shown(77), [
    [
      'ID          KEY         DEPTH  SINCE                 FAILURE',
      '0123456789  customer-5      1  2026-11-28T18:41:03Z  TypeError: it is no mon…',
      'abc         -           12000  -                     -',
    ],
  ]);
});

test('where no more of it would be left a table follows for the other columns', () => {
  assert.deepEqual(shown(76), [
    [
      'ID          KEY         DEPTH  SINCE',
      '0123456789  customer-5      1  2026-11-28T18:41:03Z',
      'abc         -           12000  -',
    ],
    ['ID          FAILURE', '0123456789  TypeError: it is no money, 1.0 is', 'abc         -'],
  ]);
});

test('a name is whole up to 36 characters, and gives way beyond', () => {
  const [id, reason] = ['0'.repeat(36), 'dependency-timeout'];
  const all = [
    ['ID', 'NAME', 'REASON', 'FAILURE'],
    [id, 'n'.repeat(40), reason, 'f'.repeat(80)],
  ];
  const kinds = ['text', 'text', 'whole', 'text'] as const;
  const folds = folded(columnsOf(all), { titles: all[0]!, kinds }, 76);

  assert.deepEqual(
    folds.map((fold) => aligned(all[1]!, fold, { kinds })),
    [`${id}  ${'n'.repeat(37)}…`, `${id}  ${reason}`, `${id}  ${'f'.repeat(37)}…`],
  );
});

test('a time and a reason are whole, however narrow the terminal', () => {
  const since = shown(20).find(([title]) => title?.includes('SINCE'));
  assert.equal(since?.[1], '0123456789  2026-11-28T18:41:03Z');
});

test('a terminal that is narrower than the first column shows one other beside it', () => {
  assert.deepEqual(
    shown(5).map(([title]) => title?.split(/ +/)),
    [
      ['ID', 'KEY'],
      ['ID', 'DEPTH'],
      ['ID', 'SINCE'],
      ['ID', 'FAILURE'],
    ],
  );
});
