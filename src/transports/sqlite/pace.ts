/**
 * How much one turn takes on. It follows the measured time: more while turns are short, so that
 * fast handlers share one fsync, and less when a turn gets long.
 */

export interface Pace {
  /** Operations of each kind that a turn may do. */
  readonly limit: number;
  /** Messages that a turn may claim. */
  readonly claimLimit: number;
  /** By the work alone: the disk's part is shared by all of a turn, so it asks for large ones. */
  worked(tookMs: number): void;
  /** What was handed over lately says how large bodies are. */
  delivered(messages: number, bytes: number): void;
}

const fewestOperations = 512;
const usualOperations = 512;
const mostOperations = 2_048;
const longWorkMs = 12;
const shortWorkMs = 6;
/** A turn claims no more bodies than about this. */
const claimBytes = 8 * 2 ** 20;

export function createPace(): Pace {
  let limit = usualOperations;
  let meanBytes = 64 * 2 ** 10;
  return {
    get limit() {
      return limit;
    },
    get claimLimit() {
      return Math.max(1, Math.min(2 * limit, Math.floor(claimBytes / meanBytes)));
    },
    worked(tookMs) {
      if (tookMs > longWorkMs) limit = Math.max(fewestOperations, limit >> 1);
      else if (tookMs < shortWorkMs) limit = Math.min(mostOperations, limit << 1);
    },
    delivered(messages, bytes) {
      meanBytes = Math.max(1, (meanBytes * 3 + bytes / messages) / 4);
    },
  };
}
