/**
 * An outbox row: a message of one internal topic in the store's own file. It has the id, the key
 * and the body of the message it stands for; what else the target needs travels in its headers.
 */

import { MaloteError } from '../errors.ts';
import type { Delivery, OnDead, Outgoing, SubscriptionSpec } from '../transport/transport.ts';

/** The name of the topic and of its one subscription. */
export const outboxName = 'malote.outbox';

/** What a message that the target refused for good does to those of its key behind it. */
export type OnRefused = Exclude<OnDead, 'divert'>;

/** A row is the truth until its message is confirmed: it waits for nothing and has no limit. */
export function outboxSpec(onDead: OnRefused): SubscriptionSpec {
  return {
    name: outboxName,
    topics: [outboxName],
    order: 'key',
    onDead,
    waits: false,
    waitingDeadlineMs: 24 * 3_600_000,
    waitingOrder: 'hold',
    maxDepth: 1e12,
    from: 'kept',
    replace: false,
  };
}

type Wrapping = readonly [
  topic: string,
  headers: string | null,
  delayMs: number,
  dedupe: readonly string[],
  facts: readonly string[],
];

export function toRow(outgoing: Outgoing): Outgoing {
  const { id, topic, body, headers, key, delayMs, dedupe, facts } = outgoing;
  const wrapping: Wrapping = [topic, headers, delayMs, dedupe, facts];
  return {
    id,
    topic: outboxName,
    body,
    headers: JSON.stringify(wrapping),
    key,
    // A delayed message is relayed at once and is delayed by its target, where it can be seen.
    delayMs: 0,
    dedupe: dedupe.length === 0 ? dedupe : dedupe.map((one) => `${topic} ${one}`),
    facts: [],
  };
}

/**
 * The message that a row stands for.
 *
 * @param remembers - whether the target recognises ids: then the message goes under its own
 * @throws MaloteError `DATA_INVALID` where the row was not written by malote
 */
export function fromRow(
  row: Delivery,
  { now, remembers }: { readonly now: number; readonly remembers: boolean },
): Outgoing {
  const { id, body, key, acceptedAt } = row;
  const [topic, headers, delayMs, dedupe, facts] = unwrap(row);
  return {
    id,
    topic,
    body,
    headers,
    key,
    delayMs: delayMs === 0 ? 0 : Math.max(0, Math.ceil(acceptedAt + delayMs - now)),
    dedupe: remembers ? withId(dedupe, id) : dedupe,
    facts,
  };
}

function withId(dedupe: readonly string[], id: string): readonly string[] {
  const own = `id:${id}`;
  return dedupe.includes(own) ? dedupe : [own, ...dedupe];
}

/** Type and headers of the message that a row stands for; null where malote did not write it. */
export function tellsOf({
  headers,
}: Pick<Delivery, 'headers'>): Pick<Outgoing, 'topic' | 'headers'> | null {
  const wrapping = wrappingIn(headers);
  return wrapping === null ? null : { topic: wrapping[0], headers: wrapping[1] };
}

function wrappingIn(headers: string | null): Wrapping | null {
  try {
    const wrapping = JSON.parse(headers ?? '') as Wrapping;
    return Array.isArray(wrapping) && typeof wrapping[0] === 'string' ? wrapping : null;
  } catch {
    // What is JSON and no row is none either.
    return null;
  }
}

function unwrap({ id, headers }: Delivery): Wrapping {
  const wrapping = wrappingIn(headers);
  if (wrapping !== null) return wrapping;
  throw new MaloteError('DATA_INVALID', `row ${id} of the outbox must be written by malote`, {
    id,
  });
}
