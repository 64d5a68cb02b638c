/**
 * What becomes of a publish: recognised, refused, kept for a first subscription, delayed, or placed
 * in every subscription of its topic. One message is stored for all of them or for none.
 */

import { MaloteError } from '../../errors.ts';
import type { Outgoing, PublishOutcome } from '../../transport/transport.ts';
import { type Ledger, readTally, tallyOf, topicOf } from './ledger.ts';
import { factsText } from './need-text.ts';
import { type Parcel, place, type Taker } from './place.ts';
import { firstOf, remember } from './repetitions.ts';
import type { Reserved, Session } from './session.ts';
import { depthOf } from './tally.ts';
import type { Subscription, Topic } from './topology.ts';

export const maxBodyBytes: number = 64 * 2 ** 20;

const stored: PublishOutcome = { kind: 'stored' };
const storedForLater: PublishOutcome = { kind: 'stored', kept: true };

export function publishOne(ledger: Ledger, outgoing: Outgoing, taker: Taker): PublishOutcome {
  const { body } = outgoing;
  // A string has at most three bytes for each of its units; only then it has to be measured.
  if (body.length * 3 > maxBodyBytes && isTooLarge(body)) {
    return { kind: 'refused', error: tooLarge(outgoing) };
  }
  const topic = topicOf(ledger, outgoing.topic);
  const first = firstOf(ledger, topic, outgoing.dedupe);
  if (first !== null) return { kind: 'duplicate', id: first };
  for (const subscription of topic.direct) {
    if (depthOf(readTally(ledger, subscription)) < subscription.maxDepth) continue;
    return { kind: 'full', subscription: subscription.name, topics: subscription.topics };
  }
  store(ledger, { outgoing, topic, taker });
  return topic.direct.length + topic.adopting.length === 0 ? storedForLater : stored;
}

/**
 * Takes room for what an ack publishes, in every subscription or in none: then answers false.
 *
 * Makes no topic: one that nobody has used has no subscription, and the caller may undo what he
 * did.
 *
 * @param acked - the subscription in which the ack itself frees a place, if there is an ack
 */
export function reserve(
  { ledger, reserved }: Pick<Session, 'ledger' | 'reserved'>,
  batch: readonly Outgoing[],
  acked: Subscription | null,
): boolean {
  const wanted: Reserved = new Map();
  for (const outgoing of batch) {
    const { body, dedupe } = outgoing;
    if (isTooLarge(body)) throw tooLarge(outgoing);
    const topic = ledger.topology.topics.get(outgoing.topic);
    if (topic === undefined || firstOf(ledger, topic, dedupe) !== null) continue;
    for (const subscription of topic.direct) {
      const more = (wanted.get(subscription) ?? reserved.get(subscription) ?? 0) + 1;
      const freed = subscription === acked ? 1 : 0;
      const depth = depthOf(readTally(ledger, subscription)) - freed;
      if (depth + more > subscription.maxDepth) return false;
      wanted.set(subscription, more);
    }
  }
  for (const [subscription, more] of wanted) reserved.set(subscription, more);
  return true;
}

/** Publishes what an ack has taken room for: it goes with the ack, whatever came in between. */
export function publishStaged(ledger: Ledger, outgoing: Outgoing, taker: Taker): void {
  const topic = topicOf(ledger, outgoing.topic);
  if (firstOf(ledger, topic, outgoing.dedupe) === null) store(ledger, { outgoing, topic, taker });
}

interface Storing {
  readonly outgoing: Outgoing;
  readonly topic: Topic;
  readonly taker: Taker;
}

function store(ledger: Ledger, storing: Storing): void {
  const { outgoing, topic, taker } = storing;
  const { now } = ledger;
  for (const key of outgoing.dedupe) remember(ledger, topic, { key, id: outgoing.id });
  const dueAt = outgoing.delayMs > 0 ? Math.ceil(now + outgoing.delayMs) : 0;
  if (topic.adopting.length > 0 || topic.direct.length === 0) keep(ledger, storing, dueAt);
  if (topic.direct.length === 0) return;
  const { id, body, headers, key, facts } = outgoing;
  const parcel: Parcel = { id, topic, body, headers, key, facts, acceptedAt: now };
  for (const subscription of topic.direct) {
    if (dueAt > 0) schedule(ledger, subscription, { parcel, dueAt });
    else place(ledger, subscription, parcel, taker);
  }
}

export function schedule(
  ledger: Ledger,
  subscription: Subscription,
  { parcel, dueAt }: { readonly parcel: Parcel; readonly dueAt: number },
): void {
  ledger.shelves.addLater.run(
    subscription.loose + ++ledger.sequence,
    subscription.number,
    dueAt,
    parcel.acceptedAt,
    parcel.topic.number,
    parcel.id,
    parcel.headers,
    factsText(parcel.facts),
    parcel.key,
    parcel.body,
  );
  tallyOf(ledger, subscription).scheduled += 1;
  if (dueAt < ledger.dueAt) ledger.dueAt = dueAt;
}

function keep(ledger: Ledger, { outgoing, topic }: Storing, dueAt: number): void {
  ledger.shelves.addKept.run(
    ++ledger.sequence,
    topic.number,
    dueAt,
    ledger.now,
    outgoing.id,
    outgoing.headers,
    factsText(outgoing.facts),
    outgoing.key,
    outgoing.body,
  );
}

function isTooLarge(body: string | Uint8Array): boolean {
  const bytes = typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength;
  return bytes > maxBodyBytes;
}

function tooLarge({ id }: Outgoing): MaloteError {
  const sentence =
    `the body must be at most ${maxBodyBytes} bytes for sqlite, got more; ` +
    'store it elsewhere and publish where it is';
  return new MaloteError('MESSAGE_TOO_LARGE', sentence, { id });
}
