/**
 * How much of the shared queue the server may push to this process: what is here and cannot be
 * worked on is kept from processes that could.
 *
 * Slow handlers get exactly what they have slots for. Where more than the slots was granted, the
 * handlers finish the surplus within milliseconds, and the window goes as far ahead once more, so
 * that they never wait for the server.
 *
 * A window is made of feeds, consumers of the queue with a limit each: a feed can be added or
 * closed, and its limit cannot be changed. What came by a closed feed stays here until it is done.
 */

export interface Feed {
  /** How many the server may have here unacknowledged by it. */
  readonly limit: number;
  /** How many it has. */
  unacked: number;
  isOpen: boolean;
}

/** What the consumers of a process may have of the shared queue. */
export interface Room {
  /** What they have of it, and what they were granted on top. */
  readonly messages: number;
  /** How many they were granted beyond their slots, over all queues. */
  readonly ahead: number;
}

export interface Change<Kind extends Feed> {
  /** The limit of another feed; 0 for none. */
  readonly open: number;
  readonly close: readonly Kind[];
  /** Nothing is gained by it at once: it can wait until it has been wanted for a while. */
  readonly isShrinking: boolean;
}

/** The most that the server may push of the shared queue. */
export const largestWindow = 2_048;
const leastAhead = 8;
const mostFeeds = 16;
/** A window for fast handlers is left as it is until it is that many times too large. */
const muchTooLarge = 4;
/** Slow handlers get by with an eighth less, until what came by closed feeds is done. */
const leastGrowth = 8;

/** What to do next; null: nothing. */
export function nextChange<Kind extends Feed>(
  feeds: readonly Kind[],
  room: Room,
): Change<Kind> | null {
  const open = feeds.filter(({ isOpen }) => isOpen);
  return room.ahead > 0 ? forFast(open, room) : forSlow(feeds, open, room);
}

function forFast<Kind extends Feed>(open: readonly Kind[], room: Room): Change<Kind> | null {
  const limit = limitOf(open);
  const most = Math.min(largestWindow, room.messages);
  const goal = Math.min(largestWindow, room.messages + Math.max(leastAhead, room.ahead));
  if (most > limit) {
    const isCrowded = open.length >= mostFeeds;
    return isCrowded
      ? { open: goal, close: open, isShrinking: false }
      : { open: goal - limit, close: [], isShrinking: false };
  }
  if (limit <= goal * muchTooLarge) return null;
  return { open: goal, close: open, isShrinking: true };
}

function forSlow<Kind extends Feed>(
  feeds: readonly Kind[],
  open: readonly Kind[],
  room: Room,
): Change<Kind> | null {
  const most = Math.min(largestWindow, room.messages);
  const left = feeds.reduce((sum, feed) => (feed.isOpen ? sum : sum + feed.unacked), 0);
  let capacity = limitOf(open) + left;
  const lacking = most - capacity;
  if (lacking > 0) {
    if (left > 0 && lacking * leastGrowth < most) return null;
    if (open.length < mostFeeds) return { open: lacking, close: [], isShrinking: false };
    return { open: 0, close: open, isShrinking: false };
  }
  const close: Kind[] = [];
  for (const feed of open.toReversed()) {
    if (capacity <= most) break;
    close.push(feed);
    capacity -= feed.limit - feed.unacked;
  }
  return close.length === 0 ? null : { open: 0, close, isShrinking: true };
}

function limitOf(feeds: readonly Feed[]): number {
  return feeds.reduce((sum, { limit }) => sum + limit, 0);
}
