/**
 * A heap, smallest `at` first and then smallest `order`, whose items know their position, so that
 * any item leaves in O(log n). An item is in one heap at a time; `position` is -1 outside. Both
 * numbers stand still while it is in.
 *
 * Four children to a node, and the numbers beside the items: a step down looks at neighbours in
 * memory and at no item it does not move.
 */

export interface HeapItem {
  at: number;
  order: number;
  position: number;
}

export interface Heap<Item extends HeapItem> {
  readonly items: Item[];
  readonly ats: number[];
  readonly orders: number[];
}

export function createHeap<Item extends HeapItem>(): Heap<Item> {
  return { items: [], ats: [], orders: [] };
}

export function heapPush<Item extends HeapItem>(heap: Heap<Item>, item: Item): void {
  heap.items.push(item);
  heap.ats.push(item.at);
  heap.orders.push(item.order);
  rise(heap, item, heap.items.length - 1);
}

export function heapRemove<Item extends HeapItem>(heap: Heap<Item>, item: Item): void {
  const { position } = item;
  item.position = -1;
  heap.ats.pop();
  heap.orders.pop();
  const last = heap.items.pop();
  if (last === undefined || last === item) return;
  const above = (position - 1) >> 2;
  if (position > 0 && isBefore(heap, last, above)) rise(heap, last, position);
  else sink(heap, last, position);
}

export function before(a: HeapItem, b: HeapItem): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

function rise<Item extends HeapItem>(heap: Heap<Item>, item: Item, from: number): void {
  let position = from;
  while (position > 0) {
    const above = (position - 1) >> 2;
    if (!isBefore(heap, item, above)) break;
    move(heap, above, position);
    position = above;
  }
  place(heap, item, position);
}

function sink<Item extends HeapItem>(heap: Heap<Item>, item: Item, from: number): void {
  const { ats, orders } = heap;
  const size = ats.length;
  let position = from;
  for (let first = 4 * position + 1; first < size; first = 4 * position + 1) {
    let least = first;
    const end = Math.min(first + 4, size);
    for (let child = first + 1; child < end; child++) {
      const isLess =
        ats[child]! < ats[least]! || (ats[child] === ats[least] && orders[child]! < orders[least]!);
      if (isLess) least = child;
    }
    if (isBefore(heap, item, least)) break;
    move(heap, least, position);
    position = least;
  }
  place(heap, item, position);
}

function isBefore<Item extends HeapItem>(heap: Heap<Item>, item: Item, position: number): boolean {
  const at = heap.ats[position]!;
  return item.at < at || (item.at === at && item.order < heap.orders[position]!);
}

function move<Item extends HeapItem>(
  { items, ats, orders }: Heap<Item>,
  from: number,
  to: number,
): void {
  const item = items[from]!;
  items[to] = item;
  ats[to] = ats[from]!;
  orders[to] = orders[from]!;
  item.position = to;
}

function place<Item extends HeapItem>(heap: Heap<Item>, item: Item, position: number): void {
  heap.items[position] = item;
  heap.ats[position] = item.at;
  heap.orders[position] = item.order;
  item.position = position;
}
