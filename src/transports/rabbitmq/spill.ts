/**
 * What stands still makes room for what could move.
 *
 * Messages behind a head that waits, backs off or is blocked stay unacknowledged in the window of
 * their partition. When they fill half of it, whole lanes move to the side queue, in order; their
 * places in the window are free as soon as the copies have come back.
 */

import type { Lane } from '../../transport/lane-table.ts';
import { keep, type Hold, type Source } from './hold.ts';
import { mostHeld } from './settings.ts';

export function spill(hold: Hold): void {
  const { table, partition, book, member } = hold;
  if (partition?.state !== 'owned' || book === null || hold.isTaking) return;
  const { standing } = table.counts;
  if (standing * 4 < hold.prefetch || book.unacked * 2 < hold.prefetch) return;
  let room = mostHeld - partition.side.unacked;
  for (const lane of standingLanes(hold)) {
    if (room < lane.size) return;
    room -= lane.size;
    for (let entry = lane.head; entry !== null; entry = entry.next) {
      const source = member.sources.get(entry.tag);
      if (source === undefined || !isInWindow(hold, source)) continue;
      void keep(source, entry).catch(() => undefined);
    }
  }
}

function* standingLanes({ table }: Hold): Generator<Lane> {
  for (const lane of table.byKey.values()) {
    if (lane.lease === null && /^(waiting|backing-off|blocked)$/.test(lane.state)) yield lane;
  }
}

function isInWindow({ book }: Hold, { place, isCopying }: Source): boolean {
  return place !== null && place.book === book && !isCopying;
}
