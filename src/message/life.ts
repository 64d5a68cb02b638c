/**
 * Words for how a message's life goes wrong, shared by the policy that decides and the engine
 * that keeps.
 */

export type DeadReason =
  | 'invalid'
  | 'gave-up'
  | 'attempts-exhausted'
  | 'timed-out'
  | 'crashed'
  | 'dependency-timeout'
  | 'diverted'
  | 'refused-by-target'
  | 'by-hand';

/** An error as it is kept: never the stack, never the body, at most 8 KB in all. */
export interface Failure {
  readonly name: string;
  readonly message: string;
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
