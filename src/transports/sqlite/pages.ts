/**
 * Pages by cursor. A cursor names the last item of its page: a letter for the kind of list, then
 * numbers. Nothing else is taken.
 */

import { optionInvalid } from '../../errors.ts';
import type { Page, PageQuery } from '../../transport/store.ts';

const longestPage = 500;

export function checkLimit({ limit }: PageQuery): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= longestPage) return limit;
  throw optionInvalid('limit', `an integer from 1 to ${longestPage}`, limit);
}

/** The numbers of a cursor of this kind; with no cursor, `count` numbers before any other. */
export function readCursor(kind: string, cursor: string | null, count: number): number[] {
  if (cursor === null) return Array.from({ length: count }, () => -1);
  const expected = 'the `next` of a page of the same list, or null';
  if (typeof cursor !== 'string' || !cursor.startsWith(kind)) {
    throw optionInvalid('cursor', expected, cursor);
  }
  const parts = cursor.slice(kind.length).split('.');
  const numbers = parts.map((part) => (/^-?[0-9a-z]{1,11}$/.test(part) ? parseInt(part, 36) : NaN));
  if (numbers.length === count && numbers.every(Number.isSafeInteger)) return numbers;
  throw optionInvalid('cursor', expected, cursor);
}

export function writeCursor(kind: string, numbers: readonly number[]): string {
  return kind + numbers.map((number) => number.toString(36)).join('.');
}

/** @param rows - one more than the page holds, if there are more */
export function pageOf<Row, Item>(
  rows: readonly Row[],
  limit: number,
  show: { item(row: Row): Item; cursor(row: Row): string },
): Page<Item> {
  const shown = rows.slice(0, limit);
  const last = shown[shown.length - 1];
  const isMore = rows.length > limit && last !== undefined;
  return { items: shown.map((row) => show.item(row)), next: isMore ? show.cursor(last) : null };
}
