/**
 * Disorder where none is forbidden: messages without a key that share a lease are shuffled within
 * small windows, so that nobody comes to rely on an order that other engines do not keep.
 */

import type { Delivery } from '../../transport/transport.ts';

const windowSize = 16;

export function shuffleUnordered(batch: Delivery[], random: () => number): Delivery[] {
  let start = 0;
  while (start < batch.length) {
    const first = batch[start]!;
    let end = start + 1;
    if (first.key === null) {
      const limit = Math.min(batch.length, start + windowSize);
      while (end < limit && batch[end]!.lease === first.lease) end += 1;
      shuffle(batch, { start, end }, random);
    }
    start = end;
  }
  return batch;
}

function shuffle(
  batch: Delivery[],
  { start, end }: { readonly start: number; readonly end: number },
  random: () => number,
): void {
  for (let index = end - 1; index > start; index--) {
    const other = start + Math.floor(random() * (index - start + 1));
    const moved = batch[index]!;
    batch[index] = batch[other]!;
    batch[other] = moved;
  }
}
