/**
 * Chance and identity that a test can repeat: the same seed gives the same numbers, and ids count
 * up from one, so that a failure names what it is about.
 */

/** Numbers in [0, 1), the same row of them for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `prefix1`, `prefix2`, … */
export function sequentialIds(prefix: string): () => string {
  let made = 0;
  return () => `${prefix}${++made}`;
}
