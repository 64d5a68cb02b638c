/**
 * A binary heap, smallest `at` first and then smallest `order`, whose items know their position, so
 * that any item leaves in O(log n). An item is in one heap at a time; `position` is -1 outside.
 */

export interface HeapItem {
  at: number;
  order: number;
  position: number;
}

export interface Heap<Item extends HeapItem> {
  readonly items: Item[];
}

export function createHeap<Item extends HeapItem>(): Heap<Item> {
  return { items: [] };
}

export function heapPush<Item extends HeapItem>(heap: Heap<Item>, item: Item): void {
  heap.items.push(item);
  rise(heap.items, item, heap.items.length - 1);
}

export function heapRemove<Item extends HeapItem>(heap: Heap<Item>, item: Item): void {
  const { items } = heap;
  const position = item.position;
  item.position = -1;
  const last = items.pop();
  if (last === undefined || last === item) return;
  const parent = items[(position - 1) >> 1];
  if (position > 0 && parent !== undefined && before(last, parent)) rise(items, last, position);
  else sink(items, last, position);
}

export function before(a: HeapItem, b: HeapItem): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

function rise<Item extends HeapItem>(items: Item[], item: Item, from: number): void {
  let position = from;
  while (position > 0) {
    const above = (position - 1) >> 1;
    const parent = items[above]!;
    if (!before(item, parent)) break;
    items[position] = parent;
    parent.position = position;
    position = above;
  }
  items[position] = item;
  item.position = position;
}

function sink<Item extends HeapItem>(items: Item[], item: Item, from: number): void {
  let position = from;
  for (;;) {
    let below = 2 * position + 1;
    if (below >= items.length) break;
    if (below + 1 < items.length && before(items[below + 1]!, items[below]!)) below += 1;
    const child = items[below]!;
    if (!before(child, item)) break;
    items[position] = child;
    child.position = position;
    position = below;
  }
  items[position] = item;
  item.position = position;
}
