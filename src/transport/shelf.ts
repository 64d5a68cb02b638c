/**
 * Items under ascending numbers: the newest goes to the end, any one leaves, and a page starts
 * behind a given number without counting. Finding is O(log n); gaps are closed when they are the
 * greater part.
 */

export interface Shelf<Item> {
  numbers: number[];
  /** `null` where an item left. */
  items: (Item | null)[];
  size: number;
}

export function createShelf<Item>(): Shelf<Item> {
  return { numbers: [], items: [], size: 0 };
}

/** @param number - greater than every number before it */
export function shelve<Item>(shelf: Shelf<Item>, number: number, item: Item): void {
  shelf.numbers.push(number);
  shelf.items.push(item);
  shelf.size += 1;
}

export function unshelve<Item>(shelf: Shelf<Item>, number: number): void {
  const index = firstBehind(shelf.numbers, number - 1);
  if (shelf.numbers[index] !== number || shelf.items[index] === null) return;
  shelf.items[index] = null;
  shelf.size -= 1;
  if (shelf.items.length > 32 && shelf.size * 2 < shelf.items.length) closeGaps(shelf);
}

/** Up to `limit` items with a number greater than `number`, in order. */
export function pageBehind<Item>(shelf: Shelf<Item>, number: number, limit: number): Item[] {
  const page: Item[] = [];
  let index = firstBehind(shelf.numbers, number);
  for (; index < shelf.items.length && page.length < limit; index++) {
    const item = shelf.items[index];
    if (item !== null && item !== undefined) page.push(item);
  }
  return page;
}

function firstBehind(numbers: readonly number[], number: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle]! <= number) low = middle + 1;
    else high = middle;
  }
  return low;
}

function closeGaps<Item>(shelf: Shelf<Item>): void {
  const numbers: number[] = [];
  const items: Item[] = [];
  shelf.items.forEach((item, index) => {
    if (item === null) return;
    numbers.push(shelf.numbers[index]!);
    items.push(item);
  });
  shelf.numbers = numbers;
  shelf.items = items;
}
