/**
 * Claims over all tables of a member, and the handing out.
 *
 * A table gets its share of the credit, so that no partition waits for another. Nothing is handed
 * out before the ledger that lists it has left this process; what was delivered before waits until
 * the ledger is confirmed.
 */

import type { Step } from '../../transport/lane-table.ts';
import { claim, hasReady, wantsSeclusion } from '../../transport/lane-table-claim.ts';
import { promote } from '../../transport/lane-table-lanes.ts';
import { giveBack, heldEntry } from '../../transport/lane-table-settle.ts';
import type { Delivery } from '../../transport/transport.ts';
import { arrived, type Consumer, type Hold, type Member } from './hold.ts';

export function isSeclusionWanted({ consumers, holds, isReady }: Member): boolean {
  if (!isReady) return false;
  for (const { credit } of consumers) {
    if (credit === 0) continue;
    for (const { table } of holds) if (wantsSeclusion(table)) return true;
  }
  return false;
}

export function promoteAll({ holds }: Member, step: Step): void {
  for (const { table } of holds) promote(table, step);
}

export interface Claiming {
  readonly step: Step;
  /** Only messages that have to be alone in their process are claimed this time. */
  readonly isSecluding: boolean;
  /** Where to begin among the tables; another place each time. */
  readonly turn: number;
}

export interface Handing {
  readonly member: Member;
  readonly hold: Hold;
  readonly consumer: Consumer;
  readonly batch: readonly Delivery[];
}

export function claimAll(member: Member, claiming: Claiming): Handing[] {
  if (!member.isReady) return [];
  return [...member.consumers].flatMap((consumer) =>
    consumer.credit > 0 ? claimFor(member, consumer, claiming) : [],
  );
}

function claimFor(
  member: Member,
  consumer: Consumer,
  { step, isSecluding, turn }: Claiming,
): Handing[] {
  const batches: Handing[] = [];
  const isWanted = isSecluding ? wantsSeclusion : hasReady;
  for (;;) {
    const before = consumer.credit;
    const found = [...member.holds].filter(({ table }) => isWanted(table));
    for (const { hold, limit } of shares(found, consumer.credit, turn)) {
      const most = Math.min(limit, consumer.credit);
      const batch = most > 0 ? claim(hold.table, consumer, step, most) : [];
      if (batch.length > 0) batches.push({ member, hold, consumer, batch });
    }
    if (consumer.credit === before || consumer.credit === 0) return batches;
  }
}

interface Share {
  readonly hold: Hold;
  readonly limit: number;
}

/** Half for the shared queue, half for the partitions; whose turn it is goes first. */
function shares(found: readonly Hold[], credit: number, turn: number): Share[] {
  const shared = found.filter(({ partition }) => partition === null);
  const partitions = found.filter(({ partition }) => partition !== null);
  const first = turn % Math.max(1, partitions.length);
  const inTurn = [...partitions.slice(first), ...partitions.slice(0, first)];
  const half = shared.length > 0 && inTurn.length > 0 ? Math.ceil(credit / 2) : credit;
  const limit = Math.ceil(half / Math.max(1, inTurn.length));
  const owned = inTurn.map((hold) => ({ hold, limit }));
  const open = shared.map((hold) => ({ hold, limit: half }));
  return turn % 2 === 0 ? [...open, ...owned] : [...owned, ...open];
}

/** Delivers each batch as soon as its ledger allows. */
export function handOut(batches: readonly Handing[], written: Promise<void>): void {
  const careful: Handing[] = [];
  for (const handing of batches) {
    const runs = leasesOf(handing.batch);
    const isCareful = (run: readonly Delivery[]): boolean =>
      run.some(({ tag }) => handing.member.sources.get(tag)?.isCareful === true);
    const later = runs.filter(isCareful).flat();
    const now = runs.filter((run) => !isCareful(run)).flat();
    if (now.length > 0) deliver({ ...handing, batch: now });
    if (later.length > 0) careful.push({ ...handing, batch: later });
  }
  for (const handing of careful) {
    const copies = handing.batch.map(async ({ tag }) => {
      const source = handing.member.sources.get(tag);
      if (source !== undefined) await arrived(source);
    });
    void Promise.all([written, ...copies]).then(
      () => deliver(handing),
      () => undefined,
    );
  }
}

function deliver({ member, hold, consumer, batch }: Handing): void {
  const { context } = member;
  if (!context.isOpen() || !hold.isOpen) {
    // Lost before anybody saw it: what was asked for is still wanted.
    if (!consumer.stopped) consumer.credit += batch.length;
    return;
  }
  if (!consumer.stopped) {
    consumer.sink.deliver(batch);
    return;
  }
  for (const [first] of leasesOf(batch)) {
    const entry = heldEntry(hold.table, first!);
    if (entry !== null) giveBack(hold.table, entry, 0, context.step());
  }
  context.look();
}

function leasesOf(batch: readonly Delivery[]): Delivery[][] {
  const runs: Delivery[][] = [];
  for (const delivery of batch) {
    const run = runs.at(-1);
    if (run?.[0]?.lease.id === delivery.lease.id) run.push(delivery);
    else runs.push([delivery]);
  }
  return runs;
}
