/**
 * How ids, keys and states are laid out in the file. The numbers here are stored: a change of one
 * is a migration.
 *
 * A message's row id is `range * 2^42 + sequence`. Each subscription has two ranges, one for loose
 * messages (without order) and one for keyed ones, so that claiming loose messages is a walk along
 * one range that never meets a lane.
 */

const span = 2 ** 42;

/** Row ids stay below 2^53, the largest integer a JavaScript number holds exactly. */
export const mostSubscriptions = 1_023;
/**
 * The file is full for good when its sequence gets here: at 300,000 messages a second, 169 days.
 */
export const lastSequence: number = span - 1;

export function looseRange(subscription: number): number {
  return subscription * 2 * span;
}

export function keyedRange(subscription: number): number {
  return (subscription * 2 + 1) * span;
}

/** The end of a range: greater than any id in it. */
export function endOfRange(range: number): number {
  return range + span;
}

export function subscriptionOf(id: number): number {
  return Math.floor(id / (2 * span));
}

export function isKeyed(id: number): boolean {
  return Math.floor(id / span) % 2 === 1;
}

/** `ml_lane.state`. Statements spell these numbers out, as partial indexes need literals. */
export const laneState = {
  ready: 0,
  leased: 1,
  waiting: 2,
  blocked: 3,
  diverted: 4,
  /** Ready; its head must stay within the slots, see `Suspicion`. */
  suspect: 5,
  /** Ready; its head must be alone in its process. */
  secluded: 6,
} as const;

/** `ml_message.mark`: the level of suspicion in the low bits, then flags. */
export const mark = {
  /** Was out beside others when its process died. */
  beside: 1,
  /** Twice, so that it must run alone. */
  besideTwice: 2,
  /** Was the only one out when its process died. */
  alone: 3,
  levels: 3,
  /** Has rows in `ml_failure` or `ml_journal`. */
  storied: 4,
} as const;

/** `ml_lane.flags`. */
export const laneFlag = {
  none: 0,
  /** Its head counts as `retrying`. */
  retrying: 1,
} as const;

const ticksPerMs = 4_096;
/** So that ticks stay below 2^53 until 2089. */
const firstMs = Date.UTC(2020, 0, 1);
/** The end of the file's time: deadlines past it count as this one. */
export const lastMs: number = Date.UTC(2089, 0, 1);

/**
 * `ml_lane.ready_at`: an instant in ticks, 4,096 to the millisecond. The place within a millisecond
 * is given by the sequence, so that lanes are in the order of their heads however many came at
 * once.
 */
export function ticksOf(ms: number, id: number = 0): number {
  return (Math.min(Math.ceil(ms), lastMs) - firstMs) * ticksPerMs + (id % ticksPerMs);
}

/** The last tick that is not after an instant. */
export function lastTickOf(ms: number): number {
  return ticksOf(Math.floor(ms) + 1) - 1;
}

export function msOf(ticks: number): number {
  return Math.floor(ticks / ticksPerMs) + firstMs;
}

/** The state of a lane that may be claimed, by the mark of its head. */
export function readyState(marks: number): number {
  const level = marks & mark.levels;
  if (level === 0) return laneState.ready;
  return level === mark.beside ? laneState.suspect : laneState.secluded;
}

/**
 * The 52-bit number a key is found by; never 0, which means "no key". Two keys with the same number
 * share a lane: they wait for each other, and each keeps its order; what a dead head does to one
 * key, it does to both. So that nobody who chooses keys can bring that about, each file has a seed.
 *
 * @param seed - below 2^52
 */
export function hashKey(key: string, seed: number): number {
  let a = 0xdeadbeef ^ (seed >>> 0);
  let b = 0x41c6ce57 ^ Math.floor(seed / 2 ** 32);
  for (let index = 0; index < key.length; index++) {
    const unit = key.charCodeAt(index);
    a = Math.imul(a ^ unit, 2654435761);
    b = Math.imul(b ^ unit, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return 1 + (0xfffff & (b >>> 0)) * 2 ** 32 + (a >>> 0);
}
