/**
 * How much one turn takes on. It follows the measured time: more while turns are short, so that
 * fast handlers share one fsync, and less when a turn gets long. Functions of the caller share a
 * commit too, until one of them spoils it: then half as many, until it is alone with its error.
 */

export interface Pace {
  /** Operations of each kind that a turn may do. */
  readonly limit: number;
  /** Messages that a turn may claim. */
  readonly claimLimit: number;
  /** Functions of the caller that a turn may run. */
  readonly effectLimit: number;
  /** By the work alone: the disk's part is shared by all of a turn, so it asks for large ones. */
  worked(tookMs: number): void;
  /** A constraint refused the commit of a turn that had run this many functions. */
  spoiled(effects: number): void;
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
  let effectLimit = mostOperations;
  let meanBytes = 64 * 2 ** 10;
  return {
    get limit() {
      return limit;
    },
    get claimLimit() {
      return Math.max(1, Math.min(2 * limit, Math.floor(claimBytes / meanBytes)));
    },
    get effectLimit() {
      return Math.min(limit, effectLimit);
    },
    worked(tookMs) {
      effectLimit = Math.min(mostOperations, effectLimit << 1);
      if (tookMs > longWorkMs) limit = Math.max(fewestOperations, limit >> 1);
      else if (tookMs < shortWorkMs) limit = Math.min(mostOperations, limit << 1);
    },
    spoiled(effects) {
      effectLimit = Math.max(1, effects >> 1);
    },
    delivered(messages, bytes) {
      meanBytes = Math.max(1, (meanBytes * 3 + bytes / messages) / 4);
    },
  };
}
