/** What a subscription is, as engines store it, and how they spell a fact. */

export type OnDead = 'skip' | 'block' | 'divert';

export interface SubscriptionSpec {
  readonly name: string;
  readonly topics: readonly string[];
  /** `key`: messages with a key form lanes. `none`: keys are ignored. */
  readonly order: 'key' | 'none';
  readonly onDead: OnDead;
  /** False: this subscription delivers without looking at {@link Outgoing.facts}. */
  readonly waits: boolean;
  /** A waiting message is delivered with `waitTimedOut` this long after its acceptance. */
  readonly waitingDeadlineMs: number;
  /** More messages than this in the subscription refuse a publish with `full`. */
  readonly maxDepth: number;
  /**
   * Whether a new subscription adopts, in order, what its topics kept while they had none (`kept`),
   * or leaves that to another one (`now`).
   */
  readonly from: 'now' | 'kept';
  /** Accepts other topics or another order than the stored ones. */
  readonly replace: boolean;
}

/** `name:id`. The name holds no colon. */
export type FactId = string;
