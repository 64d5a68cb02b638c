/** Whether a subscription is asked for otherwise than it is stored. */

import { MaloteError } from '../errors.ts';
import type { SubscriptionSpec } from './subscription.ts';

/** What is stored otherwise, in words; null where nothing is. */
export function changeBetween(stored: SubscriptionSpec, given: SubscriptionSpec): string | null {
  const before = [...new Set(stored.topics)].toSorted().join(', ');
  const after = [...new Set(given.topics)].toSorted().join(', ');
  if (before !== after) return `the topics ${before}, not ${after}`;
  if (stored.order !== given.order) return `the order "${stored.order}", not "${given.order}"`;
  return null;
}

/**
 * Rejects specifications that contradict what is stored, before anything is changed.
 *
 * @throws MaloteError `SUBSCRIPTION_CHANGED`
 */
export function checkUnchanged(
  { byName }: { readonly byName: ReadonlyMap<string, { readonly spec: SubscriptionSpec }> },
  specifications: readonly SubscriptionSpec[],
): void {
  for (const spec of specifications) {
    const stored = byName.get(spec.name)?.spec;
    if (stored === undefined || spec.replace) continue;
    const change = changeBetween(stored, spec);
    if (change === null) continue;
    throw new MaloteError(
      'SUBSCRIPTION_CHANGED',
      `subscription "${spec.name}" is stored with ${change}; ` +
        'replace it on purpose, or give the changed one another name',
    );
  }
}
