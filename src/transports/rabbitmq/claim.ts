/**
 * Claims over all tables of a member, and the handing out.
 *
 * Nothing is handed
 * out before the ledger that lists it is confirmed: had it only left this process, the next owner
 * could ask before the server has read it. A server that is short of memory reads nothing more from
 * who publishes; handing out, which frees its memory, goes on without ledgers then.
 */

import type { Step } from '../../transport/lane-table.ts';
import { promote } from '../../transport/lane-table-lanes.ts';
import { giveBack, heldEntry } from '../../transport/lane-table-settle.ts';
import {
  claimOver,
  isSeclusionWanted,
  leasesOf,
  type Claiming,
} from '../../transport/table-claims.ts';
import type { Delivery } from '../../transport/transport.ts';
import { heard } from './ack-book.ts';
import { sendDue } from './delayed.ts';
import type { Consumer, Hold, Member, Source } from './hold.ts';

export function wantsSilence({ consumers, holds, isReady }: Member): boolean {
  return isReady && isSeclusionWanted(consumers, holds);
}

export function promoteAll({ holds }: Member, step: Step): void {
  for (const hold of holds) {
    promote(hold.table, step);
    sendDue(hold, step.now);
  }
}

export interface Handing {
  readonly member: Member;
  readonly hold: Hold;
  readonly consumer: Consumer;
  readonly batch: readonly Delivery[];
}

export function claimAll(member: Member, claiming: Claiming): Handing[] {
  if (!member.isReady) return [];
  const holds = [...member.holds];
  return [...member.consumers].flatMap((consumer) =>
    claimOver(holds, consumer, claiming).map((claimed) => ({ ...claimed, member, consumer })),
  );
}

/**
 * Delivers each batch when its ledger is stored. What was delivered before also waits until its
 * copies are here and the server has heard every ack: should it kill this process, nothing that was
 * done before it comes back and is taken for it.
 */
export function handOut(batches: readonly Handing[], listed: Promise<unknown>): void {
  for (const handing of batches) {
    const isCareful = (run: readonly Delivery[]): boolean =>
      run.some(({ tag }) => handing.member.sources.get(tag)?.isCareful === true);
    if (!isCareful(handing.batch)) {
      deliverAfter(handing, [listed]);
      continue;
    }
    const runs = leasesOf(handing.batch);
    const later = runs.filter(isCareful).flat();
    const now = runs.filter((run) => !isCareful(run)).flat();
    if (now.length > 0) deliverAfter({ ...handing, batch: now }, [listed]);
    if (later.length > 0) {
      const copies = later.map(({ tag }) => {
        const source = handing.member.sources.get(tag);
        return source === undefined ? undefined : arrived(source);
      });
      deliverAfter({ ...handing, batch: later }, [listed, acksHeard(handing.hold), ...copies]);
    }
  }
}

/** Resolves when no state of the message is on its way. */
function arrived(source: Source): Promise<void> {
  if (!source.isCopying) return Promise.resolve();
  return new Promise((resolve) => void (source.arrivals ??= []).push(resolve));
}

async function acksHeard({ partition, book, member }: Hold): Promise<void> {
  // The shared queue hands out nothing twice.
  if (partition === null || book === null) return;
  const { side, window } = member.context.settings.limits;
  await Promise.all([heard(partition.side, side), heard(book, window)]);
}

function deliverAfter(handing: Handing, before: readonly unknown[]): void {
  Promise.all(before).then(
    () => deliver(handing),
    () => takeBack(handing),
  );
}

/** Hands out what was claimed, or takes it back where nobody wants it any more. */
export function deliver({ member, hold, consumer, batch }: Handing): void {
  const { context } = member;
  if (context.isOpen() && hold.isOpen && !consumer.stopped) consumer.sink.deliver(batch);
  else takeBack({ member, hold, consumer, batch });
}

/** What nobody has seen is ready again, and what was asked for is still wanted. */
function takeBack({ member, hold, consumer, batch }: Handing): void {
  const { context } = member;
  if (!consumer.stopped) consumer.credit += batch.length;
  if (!context.isOpen() || !hold.isOpen) return;
  for (const delivery of batch) {
    const entry = heldEntry(hold.table, delivery);
    if (entry !== null) giveBack(hold.table, entry, 0, context.step());
  }
  context.look();
}
