/**
 * Loose messages are claimed by range: the tally of the subscription says up to where they were
 * handed out, and one row of `ml_lease` per transaction says who holds a piece of that range. Fresh
 * messages carry no mark, so claiming them writes nothing per message.
 *
 * Here is also what hands over a message that was published a moment ago in the same transaction.
 */

import { noNeeds } from '../../message/need.ts';
import type { Lease } from '../../transport/transport.ts';
import { batchOf, createLaneLease } from './claim-lane.ts';
import type { Consumer, LooseLease } from './consumers.ts';
import { endOfRange, isKeyed } from './layout.ts';
import { readTally, tallyOf } from './ledger.ts';
import type { Parcel, TakenLane } from './place.ts';
import type { Session } from './session.ts';
import type { Subscription } from './topology.ts';

export function claimLoose(session: Session, consumer: Consumer, most: number): void {
  const { ledger } = session;
  const { found } = consumer;
  const subscription = consumer.subscription!;
  const from = readTally(ledger, subscription).claimed;
  const rows = ledger.messages.loose.all(from, endOfRange(subscription.loose), most);
  if (rows.length < most) found.isDrained = true;
  if (rows.length === 0) return;
  const tally = tallyOf(ledger, subscription);
  tally.claimed = rows[rows.length - 1]![0];
  for (const row of rows) {
    const [id, lane, acceptedAt, topic, messageId, headers, body] = row;
    if (lane !== 0) continue;
    tally.ready -= 1;
    tally.leased += 1;
    const parcel = {
      id: messageId,
      topic: ledger.topology.topicByNumber.get(topic)!,
      body,
      headers,
      acceptedAt,
    };
    deliver(session, consumer, { parcel, id });
  }
}

/** Offers a message that was just stored. Only who has seen all older ones may have it. */
export function offerLoose(
  session: Session,
  subscription: Subscription,
  offer: { readonly parcel: Parcel; readonly id: number },
): boolean {
  for (const consumer of session.consumers) {
    if (consumer.subscription !== subscription || !consumer.found.isDrained) continue;
    if (consumer.found.room > 0) {
      tallyOf(session.ledger, subscription).claimed = offer.id;
      deliver(session, consumer, offer);
      return true;
    }
  }
  for (const { subscription: other, found } of session.consumers) {
    if (other === subscription) found.isDrained = false;
  }
  return false;
}

/** Offers a lane that is just being opened by its first message; answers its owner. */
export function offerLane(
  session: Session,
  subscription: Subscription,
  offer: TakenLane & { readonly parcel: Parcel },
): number | null {
  for (const consumer of session.consumers) {
    const { found } = consumer;
    if (consumer.subscription !== subscription || found.room <= 0 || !found.isCaughtUp) continue;
    open(session, consumer, offer);
    return session.id;
  }
  return null;
}

function open(
  session: Session,
  consumer: Consumer,
  { parcel, lane, key, lacking }: TakenLane & { readonly parcel: Parcel },
): void {
  const { ledger, book } = session;
  const { found } = consumer;
  const id = ++ledger.lease;
  const lease = createLaneLease(consumer, {
    id,
    lane,
    ids: [lane],
    storied: noIds,
    level: 0,
    batch: batchOf(session, consumer),
    deliveredAt: ledger.now,
  });
  if (isKeyed(lane)) {
    found.opened ??= { lo: lane, hi: lane };
    found.opened.hi = lane;
  } else {
    found.claimed.push(lane);
  }
  book.add(lease);
  book.out += 1;
  found.leases.push(lease);
  found.room -= 1;
  found.lanes.push({
    lease: { id, token: id },
    subscription: consumer.name,
    id: parcel.id,
    topic: parcel.topic.name,
    body: parcel.body,
    headers: parcel.headers,
    key,
    acceptedAt: parcel.acceptedAt,
    attempt: 1,
    suspicion: 'none',
    waitTimedOut: lacking !== null,
    lacking: lacking ?? noNeeds,
    tag: lane,
  });
}

/** Writes what this turn claimed for a consumer as rows that a take-over can read. */
export function writeLeases(session: Session, consumer: Consumer): void {
  const { ledger } = session;
  const { found } = consumer;
  const number = consumer.subscription?.number ?? 0;
  if (found.batch !== null) {
    const { lo, hi } = found.opened ?? { lo: 0, hi: 0 };
    const lanes = JSON.stringify(found.claimed);
    ledger.lanes.addLease.run(found.batch.id, session.id, number, lo, hi, lanes);
  }
  if (found.lease !== null) {
    const { id, ids } = found.lease;
    found.lease.settled = new Uint8Array(ids.length);
    found.lease.left = ids.length;
    ledger.lanes.addLease.run(id, session.id, number, ids[0]!, ids[ids.length - 1]!, null);
  }
}

const noIds: readonly number[] = [];
const nothingSettled = new Uint8Array(0);

type LooseParcel = Omit<Parcel, 'key' | 'facts'>;

function deliver(
  session: Session,
  consumer: Consumer,
  { parcel, id }: { readonly parcel: LooseParcel; readonly id: number },
): void {
  const { found } = consumer;
  found.lease ??= startLease(session, consumer);
  found.lease.ids.push(id);
  found.room -= 1;
  session.book.out += 1;
  found.loose.push({
    lease: found.lease.handle,
    subscription: consumer.name,
    id: parcel.id,
    topic: parcel.topic.name,
    body: parcel.body,
    headers: parcel.headers,
    key: null,
    acceptedAt: parcel.acceptedAt,
    attempt: 1,
    suspicion: 'none',
    waitTimedOut: false,
    lacking: noNeeds,
    tag: id,
  });
}

function startLease(session: Session, consumer: Consumer): LooseLease {
  const id = ++session.ledger.lease;
  const handle: Lease = { id, token: id };
  const lease: LooseLease = {
    kind: 'loose',
    id,
    handle,
    subscription: consumer.subscription!,
    consumer,
    deliveredAt: session.ledger.now,
    touched: false,
    ended: false,
    ids: [],
    settled: nothingSettled,
    left: 0,
    before: null,
  };
  session.book.add(lease);
  return lease;
}
