/**
 * A random run: three processes publish, consume, fail, stand still and die, as the seed has it. Up
 * to three steps are under way at once.
 */

import assert from 'node:assert/strict';
import type { OnDead } from '../../transport/transport.ts';
import type { Connection, Harness } from './harness.ts';
import { newHistory } from './history.ts';
import { totalQueue } from './history-check.ts';
import { stepOf, type StepName } from './history-steps.ts';
import {
  allTopics,
  factNames,
  hire,
  openProcess,
  subscriptionNames,
  topicsOf,
  workerOf,
  type Walk,
  type Worker,
} from './history-world.ts';
import { ack } from './settlements.ts';

/** How likely each step is, by weight; what is left out does not happen. */
export type Profile = Partial<Record<StepName, number>>;

export const usualProfile: Profile = {
  publish: 16,
  grant: 24,
  settle: 44,
  advance: 9,
  mark: 6,
  crash: 2,
  close: 1,
  stall: 1,
  pause: 1,
  cancel: 2,
  redrive: 3,
};

/** `billing` keeps order and waits; `audit` does neither, and sees one of the two topics. */
export async function startWalk(harness: Harness, onDead: OnDead): Promise<Walk> {
  const { random } = harness;
  let made = 0;
  const walk: Walk = {
    harness,
    history: newHistory(onDead),
    workers: [],
    nextId: () => `m${++made}`,
    below: (limit) => Math.floor(random() * limit),
    chance: (probability) => random() < probability,
  };
  const connection = await openProcess(walk);
  await connection.subscribe(
    { name: 'billing', topics: allTopics, onDead },
    { name: 'audit', topics: ['order.seen'], order: 'none', waits: false },
  );
  walk.workers.push(workerOf(walk, connection));
  await hire(walk);
  await hire(walk);
  return walk;
}

/** Takes `steps` steps, one to three at a time, and looks at `each` quiet point between them. */
export async function wander(
  walk: Walk,
  { profile, steps, each }: { profile: Profile; steps: number; each: () => Promise<void> },
): Promise<void> {
  for (let taken = 0; taken < steps; ) {
    collect(walk);
    const begun: Promise<void>[] = [];
    for (let count = 1 + walk.below(3); count > 0 && taken < steps; count--, taken++) {
      begun.push(stepOf(pick(walk, profile))(walk));
    }
    await Promise.all(begun);
    if (taken % 25 === 0) await each();
  }
}

function pick({ below }: Walk, profile: Profile): StepName {
  const weights = Object.entries(profile) as [StepName, number][];
  let left = below(weights.reduce((sum, [, weight]) => sum + weight, 0));
  for (const [name, weight] of weights) {
    left -= weight;
    if (left < 0) return name;
  }
  return 'publish';
}

/** Takes over what was delivered since the last time, and lets go of what was lost. */
export function collect({ workers }: Walk): void {
  for (const worker of workers) {
    for (const consumer of worker.consumers) worker.out.push(...consumer.pending());
    const lost = new Set(worker.consumers.flatMap((one) => one.lost.map(({ id }) => id)));
    worker.out = worker.out.filter(({ lease }) => !lost.has(lease.id));
  }
}

/** Undoes what holds messages back, then works until nothing is left. */
export async function heal(walk: Walk): Promise<void> {
  const { harness, workers } = walk;
  const [first] = workers;
  assert.ok(first);
  for (const { connection } of workers) connection.thaw();
  for (const fact of factNames) walk.history.fulfilled.add(fact);
  await first.connection.fulfil(...factNames);
  for (const name of subscriptionNames) await first.connection.store.setPaused(name, false);

  for (let round = 0; round < 400; round++) {
    for (const name of subscriptionNames) {
      await first.connection.store.redrive({ all: true, subscription: name });
    }
    for (const worker of workers) for (const consumer of worker.consumers) consumer.grant(5);
    await harness.clock.advance(500);
    collect(walk);
    for (const worker of workers) await ackAll(walk, worker);
    if ((await isEmpty(first.connection)) && !isMoreToCome(walk)) return;
  }
  if (await isEmpty(first.connection)) return;
  const views = await first.connection.store.subscriptions();
  assert.fail(`messages are stuck: ${JSON.stringify(views.map(({ stats }) => stats))}`);
}

/** Figures that are estimates may for a moment leave out what is on its way from one to another. */
function isMoreToCome({ history, harness }: Walk): boolean {
  if (harness.engine.capabilities.counts === 'exact') return false;
  return subscriptionNames.some((name) => totalQueue(history, name, topicsOf(name)).length > 0);
}

async function ackAll({ history, harness }: Walk, worker: Worker): Promise<void> {
  const batch = worker.out.map((delivery) => ack(delivery));
  worker.out = [];
  if (batch.length === 0) return;
  const calledAt = history.now();
  const outcomes = await worker.connection.settle(...batch);
  const about = { by: worker.connection.name, calledAt, clockAt: harness.clock.now() };
  for (const [index, settlement] of batch.entries()) {
    const outcome = outcomes[index] ?? 'unanswered';
    history.settlements.push({ ...about, settlement, outcome });
  }
}

async function isEmpty(connection: Connection): Promise<boolean> {
  const views = await connection.store.subscriptions();
  return views.every(({ stats }) => stats.depth === 0 && stats.dead === 0);
}
