/** Who lives a random life: processes with their consumers, and what they have in common. */

import type { Delivery, PublishOutcome } from '../../transport/transport.ts';
import type { Connection, Consumer, Harness } from './harness.ts';
import { answered, type History } from './history.ts';
import { usualTopic, type Draft } from './settlements.ts';

export const allTopics: readonly string[] = [usualTopic, 'order.seen'];
export const subscriptionNames: readonly string[] = ['billing', 'audit'];
const topics: Readonly<Record<string, ReadonlySet<string>>> = {
  billing: new Set(allTopics),
  audit: new Set(allTopics.slice(1)),
};

export function topicsOf(subscription: string): ReadonlySet<string> {
  return topics[subscription] ?? new Set();
}

export const factNames: readonly string[] = [
  'customer:1',
  'customer:2',
  'account:1',
  'day:open',
  'rates:eur',
];

export interface Walk {
  readonly harness: Harness;
  readonly history: History;
  readonly workers: Worker[];
  readonly nextId: () => string;
  /** A whole number from 0 up to, not including, `limit`. */
  readonly below: (limit: number) => number;
  readonly chance: (probability: number) => boolean;
}

/** A process with a consumer of each subscription. */
export interface Worker {
  readonly connection: Connection;
  readonly consumers: readonly Consumer[];
  /** Delivered, valid as far as the process knows, and not yet being settled. */
  out: Delivery[];
  /** Once it stood still for longer than a lease, it may learn late what it lost. */
  stoodStill: boolean;
  isStill: boolean;
  isGone: boolean;
  /** Ids of what it settled. */
  readonly settled: Set<string>;
}

export async function hire(walk: Walk): Promise<void> {
  walk.workers.push(workerOf(walk, await openProcess(walk)));
}

/** A process whose engine is heard as well. */
export function openProcess({ history, harness }: Walk): Promise<Connection> {
  return harness.open({
    hear: (event, process) => void history.told.push({ event, process, at: history.now() }),
  });
}

export function workerOf({ history, harness }: Walk, connection: Connection): Worker {
  const hear = (batch: readonly Delivery[]): void => {
    const clockAt = harness.clock.now();
    const at = history.now();
    const by = connection.name;
    history.deliveries.push(...batch.map((delivery) => ({ by, delivery, at, clockAt })));
  };
  const consumers = subscriptionNames.map((name) => connection.consume(name, { hear }));
  return {
    connection,
    consumers,
    out: [],
    stoodStill: false,
    isStill: false,
    isGone: false,
    settled: new Set(),
  };
}

/** Notes what became of published messages; `null` where nobody was told. */
export function noteOutcomes(
  history: History,
  drafts: readonly Draft[],
  outcomes: readonly PublishOutcome[] | null,
): void {
  for (const [index, draft] of drafts.entries()) {
    const kind = outcomes?.[index]?.kind ?? 'indeterminate';
    if (kind === 'indeterminate') continue;
    answered(history, draft.id, kind === 'stored' ? 'stored' : 'refused');
  }
}
