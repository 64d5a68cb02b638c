/**
 * Claims over all tables of a member.
 *
 * A table gets its share of the credit, so that no partition waits for another. What is no longer
 * ordinary is handed out only when the broker has confirmed the ledger that lists it.
 */

import type { Step } from '../../transport/lane-table.ts';
import { claim, hasReady, wantsSeclusion } from '../../transport/lane-table-claim.ts';
import { promote } from '../../transport/lane-table-lanes.ts';
import { giveBack, heldEntry } from '../../transport/lane-table-settle.ts';
import type { Delivery } from '../../transport/transport.ts';
import { confirm } from './broker.ts';
import {
  writeNote,
  type Hold,
  type PartitionConsumer,
  type PartitionMember,
} from './partition-member.ts';
import { shuffleUnordered } from './shuffle.ts';

export function isSeclusionWanted({ consumers, holds }: PartitionMember): boolean {
  for (const { credit } of consumers) {
    if (credit === 0) continue;
    for (const { table } of holds.values()) if (wantsSeclusion(table)) return true;
  }
  return false;
}

export function promoteAll({ holds }: PartitionMember, step: Step): void {
  for (const { table } of holds.values()) promote(table, step);
}

export interface Claiming {
  readonly step: Step;
  /** Only messages that have to be alone in their process are claimed this time. */
  readonly isSecluding: boolean;
  /** Where to begin among the tables; another place each time. */
  readonly turn: number;
}

/** What to hand out next; see {@link handOut}. */
export function claimAll(member: PartitionMember, claiming: Claiming): Handing[] {
  const asking = [...member.holds.values()].filter(({ isAsking }) => isAsking);
  if (asking.length > 0) {
    // The partitions would take all of the credit before the shared queue can answer.
    for (const hold of asking) hold.isAsking = false;
    member.context.look();
    return [];
  }
  return [...member.consumers].flatMap((consumer) =>
    consumer.credit > 0 ? claimFor(member, consumer, claiming) : [],
  );
}

function claimFor(
  member: PartitionMember,
  consumer: PartitionConsumer,
  { step, isSecluding, turn }: Claiming,
): Handing[] {
  const batches: Handing[] = [];
  const isWanted = isSecluding ? wantsSeclusion : hasReady;
  const holds = [...member.holds.values()];
  for (;;) {
    const before = consumer.credit;
    const found = holds.filter(({ table }) => isWanted(table));
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
  const shared = found.filter(({ channel }) => channel.queue.partition === null);
  const partitions = found.filter(({ channel }) => channel.queue.partition !== null);
  const first = turn % Math.max(1, partitions.length);
  const inTurn = [...partitions.slice(first), ...partitions.slice(0, first)];
  const half = shared.length > 0 && inTurn.length > 0 ? Math.ceil(credit / 2) : credit;
  const limit = Math.ceil(half / Math.max(1, inTurn.length));
  const owned = inTurn.map((hold) => ({ hold, limit }));
  const open = shared.map((hold) => ({ hold, limit: half }));
  return turn % 2 === 0 ? [...open, ...owned] : [...owned, ...open];
}

export interface Handing {
  readonly member: PartitionMember;
  readonly hold: Hold;
  readonly consumer: PartitionConsumer;
  readonly batch: readonly Delivery[];
}

/** Delivers what is ordinary at once, the rest when the broker has the ledger that says so. */
export function handOut({ member, hold, consumer, batch }: Handing): void {
  const ordinary: Delivery[] = [];
  const careful: Delivery[] = [];
  for (const run of leasesOf(batch)) {
    // One that was tried before is the last of its lease.
    const isOrdinary = run.at(-1)!.attempt === 1;
    (isOrdinary ? ordinary : careful).push(...run);
  }
  const { random } = member.context.host;
  if (ordinary.length > 0) consumer.sink.deliver(shuffleUnordered(ordinary, random));
  if (careful.length > 0) void handOutLater({ member, hold, consumer, batch: careful });
}

async function handOutLater({ member, hold, consumer, batch }: Handing): Promise<void> {
  const { context } = member;
  await confirm(context.broker);
  if (!context.isOpen() || member.holds.get(hold.channel) !== hold) return;
  if (!consumer.stopped) {
    consumer.sink.deliver([...batch]);
    return;
  }
  for (const [first] of leasesOf(batch)) {
    const entry = heldEntry(hold.table, first!);
    if (entry === null) continue;
    giveBack(hold.table, entry, 0, context.step());
    writeNote(member, entry);
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
