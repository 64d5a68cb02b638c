/** Lists of any length, a page at a time, and the options that say how much of them is wanted. */

import { optionInvalid } from '../errors.ts';
import type { Page } from '../index.ts';
import type { Call, OptionRule } from './command.ts';

export const pageOptions: Readonly<Record<string, OptionRule>> = {
  limit: { value: 'NUMBER', about: 'at most that many (100)' },
  all: { about: 'all of them' },
};

const usual = 100;
const largestPage = 500;

/** What is asked of a listing of the bus. */
interface Turn {
  readonly cursor: string | null;
  readonly limit: number;
}

export async function* pagesOf<Item>(
  { given, output }: Pick<Call, 'given' | 'output'>,
  list: (turn: Turn) => Promise<Page<Item>>,
): AsyncIterable<readonly Item[]> {
  let left = given.has('all') ? Infinity : limitOf(given.value('limit'));
  let cursor: string | null = null;
  do {
    const page: Page<Item> = await list({ cursor, limit: Math.min(left, largestPage) });
    yield page.items;
    left -= page.items.length;
    cursor = page.next;
  } while (cursor !== null && left > 0);
  if (cursor !== null) output.words('there are more: --all, or a larger --limit');
}

export function countOf(option: string, given: string): number {
  const count = /^\d{1,9}$/.test(given) ? Number(given) : 0;
  if (count > 0) return count;
  throw optionInvalid(option, 'a whole number from 1', given);
}

function limitOf(given: string | undefined): number {
  return given === undefined ? usual : countOf('--limit', given);
}
