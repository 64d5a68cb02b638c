/**
 * Claims over all tables of a member, and the handing out: what is no longer ordinary only when the
 * broker has confirmed the ledger that lists it.
 */

import type { Step } from '../../transport/lane-table.ts';
import { promote } from '../../transport/lane-table-lanes.ts';
import { giveBack, heldEntry } from '../../transport/lane-table-settle.ts';
import { claimOver, leasesOf, type Claiming } from '../../transport/table-claims.ts';
import type { Delivery } from '../../transport/transport.ts';
import { confirm } from './broker.ts';
import {
  writeNote,
  type Hold,
  type PartitionConsumer,
  type PartitionMember,
} from './partition-member.ts';
import { shuffleUnordered } from './shuffle.ts';

export function promoteAll({ holds }: PartitionMember, step: Step): void {
  for (const { table } of holds.values()) promote(table, step);
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
  const holds = [...member.holds.values()];
  return [...member.consumers].flatMap((consumer) =>
    claimOver(holds, consumer, claiming).map((claimed) => ({ ...claimed, member, consumer })),
  );
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
  if (!context.isOpen()) return;
  if (member.holds.get(hold.channel) !== hold) {
    // Its subscription is gone: the consumer never hears of these, and has room for others.
    if (!consumer.stopped) consumer.credit += batch.length;
    return;
  }
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
