/** The judge of a random run: each rule is a pure function from a history to what is wrong. */

import type { Capabilities } from '../../transport/capabilities.ts';
import type { Delivery } from '../../transport/transport.ts';
import {
  acked,
  acksOf,
  isStored,
  mayExist,
  maybeAcked,
  type History,
  type Published,
  type Settled,
} from './history.ts';

/** Nothing accepted is missing, nothing came that nobody published, nothing refused came. */
export function totalQueue(
  history: History,
  subscription: string,
  topics: ReadonlySet<string>,
): string[] {
  const done = new Set([...acked(history, subscription), ...maybeAcked(history, subscription)]);
  const wrong = mayExist(history)
    .filter((id) => isStored(history, id) && topics.has(topicOf(history, id)))
    .filter((id) => !done.has(id) && !history.cancelled.has(id))
    .map((id) => `${id} was accepted and is lost in ${subscription}`);
  for (const { delivery } of history.deliveries) {
    const published = history.published.get(delivery.id);
    if (published === undefined) wrong.push(`${delivery.id} came out of nowhere`);
    else if (published.fate === 'refused') wrong.push(`${delivery.id} was refused and came`);
  }
  return [...new Set(wrong)];
}

/**
 * A message is done once, and after a cancel not delivered. Where a dead letter is not one step
 * with the removal of the message, a crash between the two leaves both, and the same is true of a
 * message that moves; and where settlements do not outlive their process for certain, what it
 * settled may come again.
 */
export function onceOnly(
  history: History,
  subscription: string,
  { atomicSettle, settlesForGood }: Pick<Capabilities, 'atomicSettle' | 'settlesForGood'>,
): string[] {
  const wrong: string[] = [];
  const seen = new Map<string, Settled>();
  for (const ack of acksOf(history, subscription)) {
    const { id } = ack.settlement.delivery;
    const before = seen.get(id);
    seen.set(id, ack);
    if (before === undefined) continue;
    const isCopy = !atomicSettle && (history.died.has(id) || mayHaveMoved(history, before, ack));
    const isForgotten = !settlesForGood && history.settledByDead.has(id);
    if (!isCopy && !isForgotten) wrong.push(`${id} was acknowledged twice in ${subscription}`);
  }
  for (const { delivery, at } of history.deliveries) {
    const cancelledAt = history.cancelled.get(delivery.id);
    if (cancelledAt !== undefined && at > cancelledAt) {
      wrong.push(`${delivery.id} came after it was cancelled`);
    }
  }
  return wrong;
}

/**
 * Whether one who moved it may have left two of it, and whoever had done the first have owned it no
 * more when the second came: an owner knows what it has done, and its successor does not.
 */
function mayHaveMoved(history: History, first: Settled, second: Settled): boolean {
  const { id, subscription } = second.settlement.delivery;
  const publishedAt = history.published.get(id)?.calledAt ?? 0;
  const came = history.deliveries.find(({ delivery }) => delivery === second.settlement.delivery);
  const cameAt = came?.at ?? second.calledAt;
  const isBetween = (at: number): boolean => at > first.calledAt && at < cameAt;
  const { departures, told } = history;
  return (
    departures.some(({ how, at }) => how === 'crashed' && at > publishedAt && at < cameAt) &&
    (departures.some(({ process, at }) => process === first.by && isBetween(at)) ||
      told.some(
        ({ process, event, at }) =>
          event.kind === 'partition-let-go' &&
          event.subscription === subscription &&
          process === first.by &&
          isBetween(at),
      ))
  );
}

/** The acks of a key follow the order of acceptance, where that order was promised. */
export function orderPerKey(history: History, subscription: string): string[] {
  const byKey = new Map<string, Published[]>();
  // Whether it may be done again is for `onceOnly`.
  for (const id of new Set(acked(history, subscription))) {
    const published = history.published.get(id);
    const key = published?.draft.key ?? null;
    if (published === undefined || key === null || !keepsOrder(history, published)) continue;
    byKey.set(key, [...(byKey.get(key) ?? []), published]);
  }
  const wrong: string[] = [];
  for (const [key, sequence] of byKey) {
    for (const [index, later] of sequence.entries()) {
      const early = sequence.slice(0, index).find((earlier) => precedes(later, earlier));
      if (early !== undefined) {
        wrong.push(`key ${key}: ${early.draft.id} was done before ${later.draft.id}`);
      }
    }
  }
  return wrong;
}

/** A delayed message takes its place when it is due; a skipped one gave its place up. */
function keepsOrder({ onDead, died }: History, { draft }: Published): boolean {
  return (draft.delayMs ?? 0) === 0 && !(onDead === 'skip' && died.has(draft.id));
}

/** Whether `first` was accepted before `second` for certain. */
function precedes(first: Published, second: Published): boolean {
  if (first.answeredAt < second.calledAt) return true;
  // What one process publishes without awaiting it keeps its order; an ack may be overtaken.
  if (first.by.process !== second.by.process) return false;
  if (first.by.means === 'ack' || second.by.means === 'ack') return false;
  if (first.calledAt !== second.calledAt) return first.calledAt < second.calledAt;
  return first.position < second.position;
}

/** No delivery before a delay, a retry or a release allows it. */
export function neverEarly(history: History): string[] {
  const wrong: string[] = [];
  for (const { delivery, at, clockAt } of history.deliveries) {
    const published = history.published.get(delivery.id);
    if (published !== undefined && clockAt < published.dueAt) {
      wrong.push(`${delivery.id} came ${published.dueAt - clockAt} ms before its delay was over`);
    }
    const last = lastSettlement(history, delivery, at);
    if (last === undefined || last.outcome !== 'settled') continue;
    const { settlement } = last;
    if (settlement.kind !== 'retry' && settlement.kind !== 'release') continue;
    const earlyMs = last.clockAt + settlement.afterMs - clockAt;
    if (earlyMs > 0) wrong.push(`${delivery.id} came ${earlyMs} ms before its ${settlement.kind}`);
  }
  return wrong;
}

/** Attempts grow by failures and crashes, stay by releases and parks, begin again by redrives. */
export function attemptsCount(history: History): string[] {
  const wrong: string[] = [];
  const latest = new Map<string, Delivery>();
  for (const { delivery, at } of history.deliveries) {
    const name = `${delivery.id} in ${delivery.subscription}`;
    const before = latest.get(name);
    latest.set(name, delivery);
    if (before === undefined || history.died.has(delivery.id)) continue;
    const last = lastSettlement(history, delivery, at);
    const failed = last?.settlement.kind === 'retry' && last.outcome === 'settled';
    const failedNow = failed && last.settlement.delivery === before;
    if (delivery.attempt < before.attempt + (failedNow ? 1 : 0)) {
      wrong.push(`${name} came with attempt ${delivery.attempt} after ${before.attempt}`);
    }
  }
  return wrong;
}

/** Nothing was delivered for a fact that nobody had opened. */
export function factsHeld(history: History): string[] {
  return history.deliveries.flatMap(({ delivery }) => {
    if (delivery.subscription !== 'billing' || delivery.waitTimedOut) return [];
    const facts = history.published.get(delivery.id)?.draft.facts ?? [];
    const missing = facts.filter((fact) => !history.fulfilled.has(fact));
    return missing.map((fact) => `${delivery.id} came without ${fact}`);
  });
}

function lastSettlement(
  history: History,
  { id, subscription }: { readonly id: string; readonly subscription: string },
  before: number,
): Settled | undefined {
  return history.settlements.findLast(
    ({ settlement: { delivery }, calledAt }) =>
      calledAt < before && delivery.id === id && delivery.subscription === subscription,
  );
}

function topicOf(history: History, id: string): string {
  return history.published.get(id)?.draft.topic ?? '';
}
