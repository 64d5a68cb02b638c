/** Chance and identity of the machine: the one place that asks it for either. */

import { v7 } from 'uuid';

/** UUID version 7: time-ordered, and growing within one millisecond of one process. */
export function newId(): string {
  return v7();
}

/** A number in [0, 1): for jitter and fair shares, never for secrets. */
export function random(): number {
  return Math.random();
}
