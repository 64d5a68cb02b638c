/** Messages on their way in and out of an engine, and the right to settle them. */

import type { Failure, Suspicion } from '../message/life.ts';
import type { Need } from './subscription.ts';

/** A message on its way in. `headers` is opaque to the engine: JSON the runtime wrote. */
export interface Outgoing {
  readonly id: string;
  readonly topic: string;
  readonly body: string | Uint8Array;
  readonly headers: string | null;
  readonly key: string | null;
  /** 0: at once. Otherwise not delivered earlier than this; a keyed one joins its lane when due. */
  readonly delayMs: number;
  /** What the caller gave to recognise a repetition by, scoped to the topic; empty: nothing. */
  readonly dedupe: readonly string[];
  /**
   * All must be met before the message is delivered; looked at when it is at the head of its lane.
   */
  readonly facts: readonly Need[];
}

/** A message of a publisher who runs none of malote's functions, as far as an engine can tell. */
export interface Foreign {
  /** Null where it has none. */
  readonly id: string | null;
  readonly topic: string;
  readonly body: Uint8Array;
  /** The runtime's own, where the publisher knows them. */
  readonly headers: string | null;
  /** Text beside the body, by name. */
  readonly attributes: Readonly<Record<string, string>>;
  /** In place of what `orderBy` answers. */
  readonly key: string | null;
  /** Beside what `waitFor` answers. */
  readonly facts: readonly Need[];
  readonly delayMs: number;
  /** An attribute that cannot be read; null: none. */
  readonly flaw: string | null;
}

/** What became of a {@link Foreign}. */
export type Sealed =
  | { readonly kind: 'sealed'; readonly message: Outgoing }
  /** It fits no schema, or a function of its type threw; it has neither key nor facts. */
  | { readonly kind: 'invalid'; readonly message: Outgoing; readonly failure: Failure }
  /** This process does not know its type, or only older versions of it. */
  | { readonly kind: 'unknown'; readonly message: Outgoing };

/** The right to settle. Compared by identity of `id` inside one transport. */
export interface Lease {
  readonly id: number;
  /** Grows with every hand-over of the lane or message: a fencing token for the user's writes. */
  readonly token: number;
}

export interface Delivery {
  readonly lease: Lease;
  readonly subscription: string;
  readonly id: string;
  readonly topic: string;
  readonly body: string | Uint8Array;
  readonly headers: string | null;
  /** The key whose lane this is; null where the message has no order. */
  readonly key: string | null;
  readonly acceptedAt: number;
  /** Starts at 1; counts failures, time-outs and crashes. */
  readonly attempt: number;
  readonly suspicion: Suspicion;
  /** The facts did not come within the subscription's deadline. */
  readonly waitTimedOut: boolean;
  /** What did not come until then; empty where it did not wait in vain. */
  readonly lacking: readonly Need[];
  /** The transport's own handle (a row id, a delivery tag). */
  readonly tag: number;
}
