/**
 * How many rows a relay holds at a time: as many as fill its batches, and no more than about 32 MiB
 * of bodies, so that a backlog of large messages does not fill the memory of its process.
 */

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
  let meanBytes = mostBytes / firstSize;
  let isGuess = true;
  return {
    get size() {
      return Math.min(most, Math.max(1, Math.floor(mostBytes / meanBytes)));
    },
    delivered(rows) {
      if (rows.length === 0) return;
      const bytes = rows.reduce((sum, { body }) => sum + body.length, 0);
      const mean = Math.max(1, bytes / rows.length);
      // Larger ones count at once, smaller ones by and by: a large one may be next.
      meanBytes = isGuess ? mean : Math.max(mean, (3 * meanBytes + mean) / 4);
      isGuess = false;
    },
  };
}
