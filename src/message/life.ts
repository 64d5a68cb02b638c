/**
 * Words for how a message's life goes wrong, shared by the policy that decides and the engine
 * that keeps.
 */

export const deadReasons = [
  'invalid',
  'gave-up',
  'attempts-exhausted',
  'timed-out',
  'crashed',
  'dependency-timeout',
  'diverted',
  'refused-by-target',
  'by-hand',
] as const;

export type DeadReason = (typeof deadReasons)[number];

/** An error as it is kept and told: never the body, at most 16,000 characters in all. */
export interface Failure {
  /** Its own, or that of its class. */
  readonly name: string;
  readonly message: string;
  /** Such as that of a `MaloteError`, of Node's errors, of a driver's. */
  readonly code?: string;
  /** Where it was thrown: at most 10 frames, one a line, without malote's own and Node's. */
  readonly stack?: string;
  /** What it was caused by, at most three deep. */
  readonly cause?: Failure;
}

/**
 * What a process that died while it held the message tells about the message.
 *
 * `none`: nothing. `beside`: others were out as well, any of them may be guilty; it is delivered
 * within {@link Demand.slots}, and after a second such crash alone in its process. `alone`: it was
 * the only one out when its process died. Only `alone` may be held against the message. A process
 * may have several connections to an engine: what was out on any of them was out beside it.
 */
export type Suspicion = 'none' | 'beside' | 'alone';
