/** Pages by cursor: a cursor names the last item of the page before it. */

import { optionInvalid } from '../../errors.ts';
import { pageBehind, type Shelf } from '../../transport/shelf.ts';
import type { Page, PageQuery } from '../../transport/store.ts';

const longestPage = 500;

export function checkLimit({ limit }: PageQuery): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= longestPage) return limit;
  throw optionInvalid('limit', `an integer from 1 to ${longestPage}`, limit);
}

export interface ShelfPage<Item, Shown> {
  readonly query: PageQuery;
  readonly numberOf: (item: Item) => number;
  readonly show: (item: Item) => Shown;
}

export function pageOf<Item, Shown>(
  shelf: Shelf<Item>,
  { query, numberOf, show }: ShelfPage<Item, Shown>,
): Page<Shown> {
  const limit = checkLimit(query);
  const found = pageBehind(shelf, readCursor(query.cursor), limit + 1);
  const items = found.slice(0, limit);
  const last = items.at(-1);
  const isMore = found.length > limit && last !== undefined;
  return { items: items.map(show), next: isMore ? String(numberOf(last)) : null };
}

export function readCursor(cursor: string | null): number {
  const number = Number(cursor ?? 0);
  if (!Number.isSafeInteger(number)) throw optionInvalid('cursor', 'one of this engine', cursor);
  return number;
}

export interface NamedShelf<Item> {
  readonly name: string;
  readonly shelf: Shelf<Item>;
}

/** One page over several shelves, in the order of their names. The cursor is `number name`. */
export function pageOver<Item, Shown>(
  shelves: readonly NamedShelf<Item>[],
  {
    query,
    numberOf,
    show,
  }: Omit<ShelfPage<Item, Shown>, 'show'> & {
    readonly show: (item: Item, name: string) => Shown;
  },
): Page<Shown> {
  const limit = checkLimit(query);
  const [, digits = '0', from = ''] = /^(\d+) (.*)$/s.exec(query.cursor ?? '') ?? [];
  if (query.cursor !== null && from === '') {
    throw optionInvalid('cursor', 'one of this engine', query.cursor);
  }
  const items: Shown[] = [];
  let cursor = '';
  const inOrder = shelves.filter(({ name }) => name >= from).toSorted(byName);
  for (const { name, shelf } of inOrder) {
    const after = name === from ? readCursor(digits) : 0;
    for (const item of pageBehind(shelf, after, limit + 1 - items.length)) {
      if (items.length === limit) return { items, next: cursor };
      items.push(show(item, name));
      cursor = `${numberOf(item)} ${name}`;
    }
  }
  return { items, next: null };
}

function byName<Item>(a: NamedShelf<Item>, b: NamedShelf<Item>): number {
  return a.name < b.name ? -1 : 1;
}
