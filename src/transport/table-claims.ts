/**
 * Claims of one subscription where it has several lane tables: one for each partition that this
 * process owns, and one for what it shares with others. A table gets its share of the credit, so
 * that none waits for another.
 */

import type { Delivery } from './delivery.ts';
import type { Claimant, LaneTable, Step } from './lane-table.ts';
import { claim, hasReady, wantsSeclusion } from './lane-table-claim.ts';

/** A table, and where it comes from. */
export interface Claimable {
  readonly table: LaneTable;
  /** It holds what no process owns. */
  readonly isShared: boolean;
}

export interface Claiming {
  readonly step: Step;
  /** Only messages that have to be alone in their process are claimed this time. */
  readonly isSecluding: boolean;
  /** Where to begin among the tables; another place each time. */
  readonly turn: number;
}

export interface Claimed<Hold> {
  readonly hold: Hold;
  readonly batch: readonly Delivery[];
}

/** Whether somebody with credit would be given a message that has to be alone in its process. */
export function isSeclusionWanted(
  claimants: Iterable<Claimant>,
  holds: Iterable<Claimable>,
): boolean {
  for (const { table } of holds) {
    if (wantsSeclusion(table)) return [...claimants].some(({ credit }) => credit > 0);
  }
  return false;
}

/** What a claimant is handed next, until its credit or the tables are empty. */
export function claimOver<Hold extends Claimable>(
  holds: readonly Hold[],
  claimant: Claimant,
  { step, isSecluding, turn }: Claiming,
): Claimed<Hold>[] {
  const claimed: Claimed<Hold>[] = [];
  const isWanted = isSecluding ? wantsSeclusion : hasReady;
  for (;;) {
    const before = claimant.credit;
    const found = before === 0 ? [] : holds.filter(({ table }) => isWanted(table));
    if (found.length === 0) return claimed;
    for (const { hold, limit } of shares(found, before, turn)) {
      const most = Math.min(limit, claimant.credit);
      const batch = most > 0 ? claim(hold.table, claimant, step, most) : [];
      if (batch.length > 0) claimed.push({ hold, batch });
    }
    if (claimant.credit === before) return claimed;
  }
}

interface Share<Hold> {
  readonly hold: Hold;
  readonly limit: number;
}

/** Half for what is shared, half for the partitions; whose turn it is goes first. */
export function shares<Hold extends Pick<Claimable, 'isShared'>>(
  found: readonly Hold[],
  credit: number,
  turn: number,
): Share<Hold>[] {
  if (found.length === 1) return [{ hold: found[0]!, limit: credit }];
  const shared = found.filter(({ isShared }) => isShared);
  const partitions = found.filter(({ isShared }) => !isShared);
  // Every second turn is theirs: counting all of them would leave out every second partition.
  const first = Math.floor(turn / 2) % Math.max(1, partitions.length);
  const inTurn = [...partitions.slice(first), ...partitions.slice(0, first)];
  const half = shared.length > 0 && inTurn.length > 0 ? Math.ceil(credit / 2) : credit;
  const limit = Math.ceil(half / Math.max(1, inTurn.length));
  const owned = inTurn.map((hold) => ({ hold, limit }));
  const open = shared.map((hold) => ({ hold, limit: half }));
  return turn % 2 === 0 ? [...open, ...owned] : [...owned, ...open];
}

/** The deliveries of each lease, which stand together in a batch. */
export function leasesOf(batch: readonly Delivery[]): Delivery[][] {
  const runs: Delivery[][] = [];
  for (const delivery of batch) {
    const run = runs.at(-1);
    if (run?.[0]?.lease.id === delivery.lease.id) run.push(delivery);
    else runs.push([delivery]);
  }
  return runs;
}
