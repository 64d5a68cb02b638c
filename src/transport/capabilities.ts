/**
 * What an engine can promise, as data. The runtime refuses at start what an engine cannot keep,
 * the conformance suite skips (and prints) what is not promised, and the guarantees page shows it.
 */

export interface Capabilities {
  /**
   * How a consumer holds messages: `lanes` claims any key it likes; `partitions` is pushed the
   * messages of fixed partitions, in order, and owns a partition as a whole.
   */
  readonly delivery: 'lanes' | 'partitions';
  /** What ends a lease of a process that no longer answers. */
  readonly lease: 'timed' | 'connection';
  /** Whether a settlement under a lost lease is refused by the engine itself. */
  readonly fencing: boolean;
  /** Whether ids and dedupe keys given by the caller are remembered at publish. */
  readonly dedupe: boolean;
  /** Whether an ack, the facts it opens and what it publishes are stored in one step. */
  readonly atomicSettle: boolean;
  /** Whether a settlement that was answered holds, though its process dies in the next moment. */
  readonly settlesForGood: boolean;
  /** What an accepted message survives. */
  readonly survives: 'nothing' | 'process-crash' | 'power-loss';
  /** What a fact survives that was opened or closed. */
  readonly factsSurvive: 'nothing' | 'process-crash' | 'power-loss';
  /** Whether facts can be kept here for the messages of another engine. */
  readonly keepsFacts: boolean;
  /** Whether several processes may share the engine. */
  readonly processes: 'one' | 'many';
  /**
   * Whether a publish can join a transaction of the caller, and functions of the caller those of
   * the engine.
   */
  readonly transactions: boolean;
  /** Whether processes can agree on who holds a lock and on what a cache keeps. */
  readonly coordination: boolean;
  /** Largest body in bytes the engine takes, above the limit malote itself keeps. */
  readonly maxBodyBytes: number;
  /** Whether a message can be found by its id, and cancelled, in whatever state it is. */
  readonly lookup: boolean;
  /**
   * Whether the figures of a subscription, and with them `maxDepth`, are true at any moment or put
   * together from what was true a moment ago.
   */
  readonly counts: 'exact' | 'estimate';
}
