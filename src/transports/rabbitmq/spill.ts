/**
 * What stands still makes room for what could move.
 *
 * Messages behind a head that waits, backs off or is blocked stay unacknowledged in the window of
 * their partition. When they fill half of it, whole lanes move to the side queue, in order; their
 * places in the window are free as soon as the copies have come back.
 */

import type { Lane } from '../../transport/lane-table.ts';
import { keep, type Hold, type Source } from './hold.ts';

export function spill(hold: Hold): void {
  const { table, partition, book, member } = hold;
  if (partition?.state !== 'owned' || book === null || hold.isTaking) return;
  const { standing } = table.counts;
  if (standing * 4 < hold.prefetch || book.unacked * 2 < hold.prefetch) return;
  let room = member.context.settings.limits.held - partition.side.unacked;
  if (room <= 0) return;
  for (const lane of standingLanes(hold)) {
    // A lane moves whole: the last one may exceed what there is room for, by less than a window.
    if (room <= 0) return;
    for (let entry = lane.head; entry !== null; entry = entry.next) {
      const source = member.sources.get(entry.tag);
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

function isInWindow({ book }: Hold, { place, isCopying }: Source): boolean {
  return place !== null && place.book === book && !isCopying;
}
