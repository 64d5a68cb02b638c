/** Short forms for what cases write often: messages on their way in, and settlements. */

import type {
  DeadReason,
  Delivery,
  FactId,
  Failure,
  Outgoing,
  Settlement,
  SubscriptionSpec,
} from '../../transport/transport.ts';

export type Draft = Partial<Outgoing> & Pick<Outgoing, 'id'>;

/** The topic and subscription of a case that needs only one. */
export const usualTopic = 'order.placed';
export const usualSubscription = 'billing';

export function outgoing(draft: Draft): Outgoing {
  return {
    topic: usualTopic,
    body: `body of ${draft.id}`,
    headers: null,
    key: null,
    delayMs: 0,
    dedupe: [],
    facts: [],
    ...draft,
  };
}

/** `messages('k', ['a', 'b'])`: two messages of one key. */
export function messages(key: string | null, ids: readonly string[]): Draft[] {
  return ids.map((id) => ({ id, key }));
}

/** `numbered('m', 3)`: m1, m2, m3. */
export function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`);
}

export function specification(given: Partial<SubscriptionSpec> = {}): SubscriptionSpec {
  return {
    name: usualSubscription,
    topics: [usualTopic],
    order: 'key',
    onDead: 'skip',
    waits: true,
    waitingDeadlineMs: 3_600_000,
    waitingOrder: 'hold',
    maxDepth: 1_000_000,
    from: 'kept',
    replace: false,
    ...given,
  };
}

export function ack(
  delivery: Delivery,
  effects: { readonly opens?: readonly FactId[]; readonly publish?: readonly Draft[] } = {},
): Settlement {
  const publish = (effects.publish ?? []).map(outgoing);
  return { kind: 'ack', delivery, opens: effects.opens ?? [], publish };
}

export function retry(
  delivery: Delivery,
  afterMs: number,
  failure: Failure = { name: 'Error', message: `${delivery.id} failed` },
): Settlement {
  return { kind: 'retry', delivery, afterMs, failure };
}

export function release(delivery: Delivery, afterMs: number = 0): Settlement {
  return { kind: 'release', delivery, afterMs };
}

export function park(delivery: Delivery, ...facts: readonly FactId[]): Settlement {
  return { kind: 'park', delivery, facts };
}

export function deadLetter(
  delivery: Delivery,
  reason: DeadReason = 'gave-up',
  failure: Failure | null = { name: 'Refused', message: `${delivery.id} was refused` },
): Extract<Settlement, { kind: 'dead-letter' }> {
  return { kind: 'dead-letter', delivery, reason, failure, attempts: delivery.attempt };
}

export function idsOf(of: readonly { readonly id: string }[]): string[] {
  return of.map(({ id }) => id);
}
