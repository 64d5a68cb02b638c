/** Which dead letters somebody means: one rule for looking at them and for sending them back. */

import type { DeadReason } from '../message/life.ts';

/** What is left out leaves that open. */
export interface DeadFilter {
  readonly topics?: readonly string[];
  readonly reasons?: readonly DeadReason[];
  readonly key?: string;
  /** The name of the last failure. */
  readonly failure?: string;
  /** The first moment of death that is meant, and the first one that is not any more. */
  readonly since?: number;
  readonly until?: number;
}

/** What a dead letter is judged by. */
export interface DeadTraits {
  readonly topic: string;
  readonly reason: DeadReason;
  readonly key: string | null;
  readonly diedAt: number;
  readonly lastFailure: { readonly name: string } | null;
}

export function isMeant(filter: DeadFilter, letter: DeadTraits): boolean {
  const { topics, reasons, key, failure, since, until } = filter;
  return (
    (topics === undefined || topics.includes(letter.topic)) &&
    (reasons === undefined || reasons.includes(letter.reason)) &&
    (key === undefined || letter.key === key) &&
    (failure === undefined || letter.lastFailure?.name === failure) &&
    (since === undefined || letter.diedAt >= since) &&
    (until === undefined || letter.diedAt < until)
  );
}
