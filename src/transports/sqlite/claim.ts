/**
 * What a turn claims for the consumers of this process, before and after it stores what is
 * published.
 *
 * Lanes go by the age of their heads, a quarter of the claims from a random point in time on, so
 * that no number of hot lanes hides a quiet key. Loose messages are a walk along their range; of
 * the credit they get a quarter before the lanes do, and what the lanes leave.
 *
 * Suspects (see `Suspicion`) go out within the consumer's slots. One that must be alone shuts the
 * gate: nothing else is claimed until this process holds nothing, and until that one is settled,
 * on none of its connections to the file (see `household.ts`).
 */

import { claimLane, type ReadyLane } from './claim-lane.ts';
import { claimLoose, offerLane, offerLoose } from './claim-loose.ts';
import { beginFinding, type Consumer } from './consumers.ts';
import { lastTickOf, mark } from './layout.ts';
import { type Taker } from './place.ts';
import type { Session } from './session.ts';

/** A taker for what this turn publishes. */
export function createTaker(session: Session): Taker {
  return {
    takeLane: (subscription, parcel, taking) =>
      offerLane(session, subscription, { parcel, ...taking }),
    takeLoose: (subscription, parcel, id) => offerLoose(session, subscription, { parcel, id }),
  };
}

/** How much a turn may claim. */
export interface Claiming {
  readonly limit: number;
  /** Whether there is time for no more lanes. */
  readonly isOver: () => boolean;
}

export function claimReady(session: Session, { limit, isOver }: Claiming): void {
  const { ledger, consumers } = session;
  for (const consumer of consumers) {
    beginFinding(consumer, limit);
    consumer.found.isDrained = consumer.drainedAt === ledger.sequence;
  }
  if (isShut(session)) {
    for (const { found } of consumers) found.room = 0;
    return;
  }
  for (const consumer of consumers) {
    if (consumer.found.room > 0) claimFor(session, consumer, isOver);
  }
}

/** After the publishes of the turn: loose messages for the credit that is left. */
export function claimRest(session: Session): void {
  for (const consumer of session.consumers) {
    const { found } = consumer;
    if (found.room > 0 && !found.isDrained) claimLoose(session, consumer, found.room);
  }
}

/** Whether a turn right after this one would find more for the credit that is left. */
export function wantsMore(session: Session): boolean {
  return session.consumers.some(({ credit, found }) => {
    const taken = found.lanes.length + found.loose.length;
    // Some of what was looked at may have had to wait, so that there is room and nothing was taken.
    if (found.room > 0) return found.hasSuspects || !(found.isCaughtUp && found.isDrained);
    return taken > 0 && credit > taken;
  });
}

function claimFor(session: Session, consumer: Consumer, isOver: () => boolean): void {
  const { found } = consumer;
  if (!found.isDrained) {
    const share = looseShare(session, found.room);
    if (share > 0) claimLoose(session, consumer, share);
  }
  if (found.room > 0) claimSuspects(session, consumer);
  if (found.room > 0) claimLanes(session, consumer, isOver);
}

function looseShare({ random }: Session, room: number): number {
  if (room >= 4) return room >> 2;
  return random() < 0.25 ? room : 0;
}

/** A lane beside others gets no more of a turn: so the longest queue slows the others a little. */
const mostOfLane = 128;

/** A quarter of the room, or with little room every fourth time all of it, goes by the pivot. */
function claimLanes(session: Session, consumer: Consumer, isOver: () => boolean): void {
  const { ledger, random } = session;
  const { found } = consumer;
  const { number } = consumer.subscription!;
  const want = found.room;
  const quarter = want >= 4 ? want >> 2 : random() < 0.25 ? want : 0;
  const until = lastTickOf(ledger.now);
  // Two tell whether there are others to choose from.
  const oldestWanted = quarter < want ? want - quarter : 2;
  const oldest = ledger.lanes.ready.all(number, until, oldestWanted);
  const hasMore = oldest.length === oldestWanted;
  const isAlone = oldest.length === 1 && !hasMore;
  const most = isAlone ? want : Math.max(1, Math.min(mostOfLane, want >> 2));
  const first = { lanes: oldest, most, isOver };
  const isCut = (quarter < want || !hasMore) && !claimEach(session, consumer, first);
  if (!hasMore) {
    found.isCaughtUp = found.room > 0 && !isCut;
    return;
  }
  if (quarter > 0 && found.room > 0) {
    const from = oldest[0]![1];
    const pivot = Math.floor(from + random() * (until - from));
    const count = Math.min(quarter, found.room);
    const lanes = ledger.lanes.readyFrom.all(number, pivot, until, count);
    claimEach(session, consumer, { lanes, most, isOver });
  }
  if (quarter === want && found.room === want) claimEach(session, consumer, first);
}

interface Claims {
  readonly lanes: readonly ReadyLane[];
  /** Messages of one lane. */
  readonly most: number;
  readonly isOver: () => boolean;
}

/** Answers whether there was time for all of them; for the first there always is. */
function claimEach(session: Session, consumer: Consumer, claims: Claims): boolean {
  const { found } = consumer;
  let claimed = 0;
  for (const lane of claims.lanes) {
    if (found.room <= 0) return true;
    if (claimed > 0 && claims.isOver()) return false;
    claimLane(session, consumer, { lane, most: Math.min(claims.most, found.room) });
    claimed += 1;
  }
  return true;
}

function claimSuspects(session: Session, consumer: Consumer): void {
  const { ledger } = session;
  const { found, slots } = consumer;
  const suspects = consumer.suspects - freedSuspects(session, consumer);
  const allowed = Math.min(slots - suspects, found.room);
  if (allowed <= 0) return;
  const { number } = consumer.subscription!;
  const lanes = ledger.lanes.suspects.all(number, lastTickOf(ledger.now), allowed);
  found.hasSuspects = lanes.length === allowed && allowed < slots - suspects;
  for (const lane of lanes) claimLane(session, consumer, { lane, most: 1 });
}

/** Suspects that were settled in this very turn. */
function freedSuspects({ book }: Session, consumer: Consumer): number {
  let freed = 0;
  for (const lease of book.touched) {
    if (lease.ended && lease.kind === 'lane' && lease.level > 0 && lease.consumer === consumer) {
      freed += 1;
    }
  }
  return freed;
}

/** Whether nothing may be claimed in this turn beyond, perhaps, one message that must be alone. */
function isShut(session: Session): boolean {
  const { ledger, book, consumers, household } = session;
  if (holdsSecluded(session) || household.isShut()) return true;
  for (const consumer of consumers) {
    const { found, subscription } = consumer;
    if (found.room <= 0 || subscription === null) continue;
    const lane = ledger.lanes.secluded.get(subscription.number, lastTickOf(ledger.now));
    if (lane === undefined) continue;
    const areOthersIdle = household.shut();
    if (areOthersIdle && book.out === 0) claimLane(session, consumer, { lane, most: 1 });
    return true;
  }
  household.open();
  return false;
}

/** Whether the message that others were shut out for is here, or would still be taken. */
export function wantsSeclusion(session: Session): boolean {
  const { consumers } = session;
  return (
    holdsSecluded(session) || consumers.some(({ credit, isStopped }) => credit > 0 && !isStopped)
  );
}

function holdsSecluded({ book }: Session): boolean {
  if (book.out !== 1) return false;
  for (const lease of book.held.values()) {
    if (!lease.ended && lease.kind === 'lane' && lease.level > mark.beside) return true;
  }
  return false;
}
