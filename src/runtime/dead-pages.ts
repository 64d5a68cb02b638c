/** Full pages of the dead letters that somebody means, out of pages of all of them. */

import { type DeadFilter, isMeant } from '../transport/dead-filter.ts';
import type { DeadLetter, DeadQuery, Page } from '../transport/store.ts';

type Look = (query: DeadQuery) => Promise<Page<DeadLetter>>;

/** How many are looked at in one step of the engine. */
const lookedAt = 500;

/** Looks on until as many as `limit` are found, or all were looked at. */
export async function pageOfMeant(
  look: Look,
  only: DeadFilter,
  query: DeadQuery,
): Promise<Page<DeadLetter>> {
  const items: DeadLetter[] = [];
  let { cursor } = query;
  do {
    const at = { ...query, cursor };
    let page = await look({ ...at, limit: lookedAt });
    const last = placeOf(page.items, only, query.limit - items.length);
    // A cursor stands behind a page: the one that ends with the last letter that is wanted.
    if (last !== null) page = await look({ ...at, limit: last + 1 });
    items.push(...page.items.filter((letter) => isMeant(only, letter)));
    cursor = page.next;
  } while (cursor !== null && items.length < query.limit);
  return { items, next: cursor };
}

/** The place of the letter that makes as many; null where there are fewer. */
function placeOf(letters: readonly DeadLetter[], only: DeadFilter, count: number): number | null {
  let left = count;
  for (const [place, letter] of letters.entries()) {
    if (isMeant(only, letter) && --left === 0) return place;
  }
  return null;
}
