/** What a subscription is, as engines store it, and how they spell a fact. */

export type { Need } from '../message/need.ts';

export type OnDead = 'skip' | 'block' | 'divert';

export interface SubscriptionSpec {
  readonly name: string;
  readonly topics: readonly string[];
  /** `key`: messages with a key form lanes. `none`: keys are ignored. */
  readonly order: 'key' | 'none';
  readonly onDead: OnDead;
  /** False: it delivers without waiting for facts. */
  readonly waits: boolean;
  /** How long after its acceptance a waiting message is dead: `waiting.deadline`. */
  readonly waitingDeadlineMs: number;
  /**
   * `hold`: the messages of a key wait behind a head that does. `overtake`: a head that has to wait
   * leaves its key and has no order from then on.
   */
  readonly waitingOrder: 'hold' | 'overtake';
  /** With as many messages it is full. */
  readonly maxDepth: number;
  /**
   * Whether it adopts, in order, what its topics kept while they had no subscription (`kept`), or
   * leaves that to another one (`now`). The first one that asks gets it, new or not.
   */
  readonly from: 'now' | 'kept';
  /** Accepts other topics or another order than the stored ones. */
  readonly replace: boolean;
}

/** `name:id`. The name holds no colon. */
export type FactId = string;

export interface FactChange {
  readonly fact: FactId;
  readonly state: 'fulfilled' | 'revoked';
}
