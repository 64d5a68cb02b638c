/**
 * The counters of one subscription: read once and written once per transaction that moves them, so
 * that statistics and the depth limit cost the same at any depth.
 */

import type { ledgerTexts } from './statements/ledger.ts';
import type { Prepared } from './statements/sql.ts';

export interface Tally {
  readonly subscription: number;
  loaded: boolean;
  changed: boolean;
  /** Loose messages up to this id were handed out. */
  claimed: number;
  scheduled: number;
  ready: number;
  leased: number;
  retrying: number;
  waiting: number;
  dead: number;
  done: number;
  cancelled: number;
}

export function createTally(subscription: number): Tally {
  return {
    subscription,
    loaded: false,
    changed: false,
    claimed: 0,
    scheduled: 0,
    ready: 0,
    leased: 0,
    retrying: 0,
    waiting: 0,
    dead: 0,
    done: 0,
    cancelled: 0,
  };
}

/** Messages that are neither done nor dead. */
export function depthOf(tally: Tally): number {
  return tally.scheduled + tally.ready + tally.leased + tally.retrying + tally.waiting;
}

export function loadTally(sql: Prepared<typeof ledgerTexts>, tally: Tally): void {
  const row = sql.tally.get(tally.subscription);
  tally.loaded = true;
  if (row === undefined) return;
  [tally.claimed, tally.scheduled, tally.ready, tally.leased] = row;
  [, , , , tally.retrying, tally.waiting, tally.dead, tally.done, tally.cancelled] = row;
}

export function storeTally(sql: Prepared<typeof ledgerTexts>, tally: Tally): void {
  sql.setTally.run(
    tally.claimed,
    tally.scheduled,
    tally.ready,
    tally.leased,
    tally.retrying,
    tally.waiting,
    tally.dead,
    tally.done,
    tally.cancelled,
    tally.subscription,
  );
}
