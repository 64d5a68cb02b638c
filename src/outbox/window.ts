/**
 * How many rows a relay holds at a time: as many as fill its batches, and no more than about 32 MiB
 * of bodies, so that a backlog of large messages does not fill the memory of its process.
 */

import { createBodySize } from '../transport/body-size.ts';

export interface Window {
  /** In rows. */
  readonly size: number;
  /** These came: they say how large the next ones are. */
  delivered(rows: readonly { readonly body: string | Uint8Array }[]): void;
}

const mostBytes = 32 * 2 ** 20;
/** Before any row was seen. */
const firstSize = 64;

/** @param most - rows, however small they are */
export function createWindow(most: number): Window {
  const bodies = createBodySize(mostBytes / firstSize);
  return {
    get size() {
      return Math.min(most, bodies.within(mostBytes));
    },
    delivered(rows) {
      const bytes = rows.reduce((sum, { body }) => sum + body.length, 0);
      bodies.came(rows.length, bytes);
    },
  };
}
