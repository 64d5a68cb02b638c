/**
 * How much one turn takes on: as many operations as take a usual time, by what the last turns
 * needed for each. So fast handlers share one fsync, and no turn blocks the loop for long, whatever
 * the machine and the size of the file. Functions of the caller share a commit too, until one of
 * them spoils it: then half as many, until it is alone with its error.
 */

import { createBodySize } from '../../transport/body-size.ts';

export interface Pace {
  /** Messages that a turn may publish; operations of each other kind that have no limit here. */
  readonly limit: number;
  /** Messages that a turn may settle: more, or a turn could not make up for what is late. */
  readonly settleLimit: number;
  /** Messages that a turn may claim: more, or none would be handed over at once again after the
   * consumer has fallen behind. */
  readonly claimLimit: number;
  /** Functions of the caller that a turn may run. */
  readonly effectLimit: number;
  /**
   * By the work alone: the disk's part is shared by all of a turn, so it asks for large ones.
   *
   * @param operations - messages that were published, claimed and settled, together
   */
  worked(tookMs: number, operations: number): void;
  /** A constraint refused the commit of a turn that had run this many functions. */
  spoiled(effects: number): void;
  /** What was handed over lately says how large bodies are. */
  delivered(messages: number, bytes: number): void;
}

const fewestOperations = 128;
const usualOperations = 512;
const mostOperations = 2_048;
const usualWorkMs = 9;
/** The operations of one message: it is published, claimed and settled. */
const each = 3;
/** A turn claims no more bodies than about this. */
const claimBytes = 8 * 2 ** 20;

export function createPace(): Pace {
  let messagesPerTurn = usualOperations;
  let effectLimit = mostOperations;
  const bodies = createBodySize(64 * 2 ** 10);
  const limit = (): number => Math.round(messagesPerTurn);
  return {
    get limit() {
      return limit();
    },
    get settleLimit() {
      return 2 * limit();
    },
    get claimLimit() {
      return Math.min(2 * limit(), bodies.within(claimBytes));
    },
    get effectLimit() {
      return Math.min(limit(), effectLimit);
    },
    worked(tookMs, operations) {
      effectLimit = Math.min(mostOperations, effectLimit << 1);
      const messages = Math.floor(operations / each);
      // The time of a small turn is that of the turn, not of what it does.
      if (messages < fewestOperations) return;
      const wanted = Math.min(mostOperations, (messages * usualWorkMs) / Math.max(tookMs, 1));
      messagesPerTurn = Math.max(fewestOperations, (messagesPerTurn + wanted) / 2);
    },
    spoiled(effects) {
      effectLimit = Math.max(1, effects >> 1);
    },
    delivered: bodies.came,
  };
}
