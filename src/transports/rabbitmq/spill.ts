/**
 * What stands still makes room for what could move.
 *
 * Messages behind a head that waits, backs off or is blocked stay unacknowledged in the window of
 * their partition. When they fill half of it, whole lanes move to the side queue, in order; their
 * places in the window are free as soon as the copies have come back. So do lanes whose handler
 * takes its time, when they leave nothing to hand out: whole as well, what is at work included, as
 * the next owner reads the side queue first. Of these there are fewer at most: any backlog may come
 * to stand behind a slow handler, and all of it would be in the memory of its owner.
 */

import type { Lane } from '../../transport/lane-table.ts';
import { hasReady } from '../../transport/lane-table-claim.ts';
import type { Hold, Partition, Source } from './hold.ts';
import { keep } from './source.ts';

/** From then on a handler, or a backlog in the window, is slow. */
const slowMs = 1_000;
/** Every message of a lane is looked at: once in a while is enough. */
const pauseMs = 50;

export function spill(hold: Hold): void {
  const { table, partition, book } = hold;
  if (partition?.state !== 'owned' || book === null || hold.isTaking) return;
  if (partition.isSpilling) return;
  if (book.unacked * 2 < hold.prefetch) return;
  const { standing, ready } = table.counts;
  const isStanding = standing * 4 >= hold.prefetch;
  const isSlow = ready * 4 >= hold.prefetch && !table.paused && !hasReady(table);
  const room = {
    standing: isStanding ? roomForStanding(hold, partition) : 0,
    slow: isSlow ? roomForSlow(hold, partition) : 0,
  };
  if (room.standing <= 0 && room.slow <= 0) return;
  const { host, look } = hold.member.context;
  partition.isSpilling = true;
  const again = (): void => {
    partition.isSpilling = false;
    look();
  };
  host.clock.setTimer(again, pauseMs).unref();
  if (room.standing > 0) move(hold, standingLanes(hold), room.standing);
  if (room.slow > 0) move(hold, slowLanes(hold, host.clock.monotonic() - slowMs), room.slow);
}

function roomForStanding({ member }: Hold, { side }: Partition): number {
  return member.context.settings.limits.held - side.unacked;
}

function roomForSlow({ member }: Hold, { side }: Partition): number {
  const { held, behind, behindBytes } = member.context.settings.limits;
  return side.bytes < behindBytes ? Math.min(held, behind) - side.unacked : 0;
}

/** A lane moves whole: the last one may exceed what there is room for, by less than a window. */
function move(hold: Hold, lanes: Iterable<Lane>, most: number): void {
  let room = most;
  for (const lane of lanes) {
    if (room <= 0) return;
    for (let entry = lane.head; entry !== null; entry = entry.next) {
      const source = hold.member.sources.get(entry.tag);
      if (source === undefined || !isInWindow(hold, source)) continue;
      room -= 1;
      void keep(source, entry).catch(() => undefined);
    }
  }
}

function* standingLanes({ table }: Hold): Generator<Lane> {
  for (const lane of table.byKey.values()) {
    if (lane.lease === null && /^(waiting|backing-off|blocked)$/.test(lane.state)) yield lane;
  }
  // What left its key to wait.
  for (const lane of table.waiting.items) if (lane !== null && lane.key === null) yield lane;
}

/** Those at work whose heads came before, and that have more behind them. */
function* slowLanes({ table, member }: Hold, before: number): Generator<Lane> {
  const { holder } = member.context;
  for (let held = holder.head; held !== null; held = held.next) {
    const { lane } = held;
    if (held.table !== table || lane === null || lane.size < 2) continue;
    const source = member.sources.get(lane.head!.tag);
    if (source !== undefined && source.cameAt <= before) yield lane;
  }
}

function isInWindow({ book }: Hold, { place, isCopying }: Source): boolean {
  return place !== null && place.book === book && !isCopying;
}
