/** The steps of a random run. Each picks its subject as it begins, and writes down what it did. */

import assert from 'node:assert/strict';
import type { Delivery, Settlement } from '../../transport/transport.ts';
import type { Departure, Settled } from './history.ts';
import { answered, publishing } from './history.ts';
import {
  allTopics,
  factNames,
  hire,
  noteOutcomes,
  subscriptionNames,
  type Walk,
  type Worker,
} from './history-world.ts';
import { ack, deadLetter, park, release, retry, usualTopic, type Draft } from './settlements.ts';

export type StepName =
  | 'publish'
  | 'grant'
  | 'settle'
  | 'advance'
  | 'mark'
  | 'crash'
  | 'close'
  | 'stall'
  | 'pause'
  | 'cancel'
  | 'redrive';

type Step = (walk: Walk) => Promise<void>;

async function offer(walk: Walk): Promise<void> {
  const worker = someone(walk);
  if (worker === undefined) return;
  const drafts = Array.from({ length: 1 + walk.below(5) }, () => someDraft(walk));
  const process = worker.connection.name;
  const clockAt = walk.harness.clock.now();
  const by = { process, clockAt, means: 'publish' } as const;
  publishing(walk.history, by, drafts);
  const outcomes = await worker.connection.offer(...drafts).catch(() => null);
  noteOutcomes(walk.history, drafts, outcomes);
}

async function grant(walk: Walk): Promise<void> {
  const consumers = someone(walk)?.consumers ?? [];
  consumers[walk.below(consumers.length)]?.grant(1 + walk.below(6));
}

async function settle(walk: Walk): Promise<void> {
  const busy = walk.workers.filter((worker) => worker.out.length > 0 && answers(worker));
  const worker = pickFrom(walk, busy);
  if (worker !== undefined) await settleOne(walk, worker);
}

async function settleOne(walk: Walk, worker: Worker): Promise<void> {
  const { history, harness } = walk;
  const any = pickFrom(walk, worker.out);
  if (any === undefined) return;
  const delivery = worker.out.find(({ lease }) => lease.id === any.lease.id) ?? any;
  const settlement = someSettlement(walk, worker, delivery);
  // Without a key the others of a lease are nobody's followers, and stay valid.
  const endsLease = delivery.key !== null && settlement.kind !== 'ack';
  worker.out = worker.out.filter(
    (one) => one !== delivery && !(endsLease && one.lease.id === delivery.lease.id),
  );
  if (settlement.kind === 'dead-letter') history.died.add(delivery.id);
  const record: Settled = {
    by: worker.connection.name,
    settlement,
    calledAt: history.now(),
    clockAt: harness.clock.now(),
    outcome: 'unanswered',
  };
  history.settlements.push(record);
  worker.settled.add(delivery.id);
  const outcomes = await worker.connection.settle(settlement).catch(() => null);
  record.outcome = outcomes?.[0] ?? 'unanswered';

  if (settlement.kind === 'ack' && record.outcome !== 'unanswered') {
    const fate = record.outcome === 'settled' ? 'stored' : 'refused';
    for (const { id } of settlement.publish) answered(history, id, fate);
  }
  const mayBeLost = worker.stoodStill || worker.isGone;
  if (record.outcome === 'lease-lost' && !mayBeLost) {
    assert.fail(`${worker.connection.name} lost the lease of ${delivery.id} although it lived`);
  }
}

async function mark(walk: Walk): Promise<void> {
  const worker = someone(walk);
  const fact = factNames[walk.below(factNames.length)] ?? '';
  if (worker === undefined) return;
  if (walk.chance(0.6)) {
    walk.history.fulfilled.add(fact);
    await worker.connection.fulfil(fact).catch(() => undefined);
  } else await worker.connection.revoke(fact).catch(() => undefined);
}

/** Others carry on while the leases of the dead are still held. */
async function crash(walk: Walk): Promise<void> {
  const worker = someone(walk);
  if (worker === undefined) return;
  leave(walk, worker, 'crashed');
  worker.connection.abandon();
  for (const id of worker.settled) walk.history.settledByDead.add(id);
  await hire(walk);
}

async function close(walk: Walk): Promise<void> {
  const worker = someone(walk);
  if (worker === undefined) return;
  leave(walk, worker, 'closed');
  await worker.connection.close();
  await hire(walk);
}

/** Stands still for longer than a lease, then goes on as if nothing had happened. */
async function stall(walk: Walk): Promise<void> {
  const { capabilities } = walk.harness.engine;
  const worker = someone(walk);
  if (worker === undefined || capabilities.lease !== 'timed' || !capabilities.fencing) return;
  worker.stoodStill = true;
  worker.isStill = true;
  worker.connection.freeze();
  await walk.harness.clock.advance(walk.harness.leaseMs + 1_500);
  for (let count = walk.below(3); count > 0; count--) await settleOne(walk, worker);
  worker.connection.thaw();
  worker.isStill = false;
}

async function pause(walk: Walk): Promise<void> {
  const name = subscriptionNames[walk.below(2)] ?? '';
  const isPaused = walk.chance(0.25);
  await someone(walk)
    ?.connection.store.setPaused(name, isPaused)
    .catch(() => undefined);
}

/** Only of the topic with one subscription, where the answer is about one message. */
async function cancel(walk: Walk): Promise<void> {
  const { history } = walk;
  const ids = [...history.published.values()]
    .filter(({ draft }) => draft.topic === usualTopic)
    .map(({ draft }) => draft.id);
  const id = pickFrom(walk, ids);
  const worker = someone(walk);
  if (id === undefined || worker === undefined) return;
  if (!worker.connection.capabilities.lookup) return;
  const isUnknown = history.published.get(id)?.fate === 'maybe';
  const outcome = await worker.connection.store.cancel(id).catch(() => 'unanswered');
  if (outcome === 'cancelled') history.cancelled.set(id, history.now());
  if (outcome === 'unanswered' && !isUnknown) history.cancelled.set(id, Number.POSITIVE_INFINITY);
}

async function redrive(walk: Walk): Promise<void> {
  const worker = someone(walk);
  const ids = [...walk.history.died];
  const id = pickFrom(walk, ids);
  if (worker === undefined || id === undefined) return;
  const which = { ids: [id], subscription: null };
  await worker.connection.store.redrive(which).catch(() => undefined);
}

function someDraft(walk: Walk): Draft {
  const { below, chance } = walk;
  const key = chance(0.75) ? `k${below(5)}` : null;
  const topic = chance(0.75) ? usualTopic : (allTopics[1] ?? usualTopic);
  const delayMs = chance(0.1) ? below(8_000) : 0;
  const facts = chance(0.15) ? [factNames[below(factNames.length)] ?? ''] : [];
  const hasDedupe = walk.harness.engine.capabilities.dedupe && chance(0.1);
  const dedupe = hasDedupe ? [`payment:${below(15)}`] : [];
  return { id: walk.nextId(), topic, key, delayMs, facts, dedupe };
}

function someSettlement(walk: Walk, worker: Worker, delivery: Delivery): Settlement {
  const { chance, below, harness, history } = walk;
  const roll = harness.random();
  if (roll < 0.12) return retry(delivery, below(4_000));
  if (roll < 0.17) return release(delivery, below(2_000));
  if (roll < 0.22) return park(delivery, factNames[below(factNames.length)] ?? '');
  if (roll < 0.3) return deadLetter(delivery);
  const publish = chance(0.1) ? [someDraft(walk)].map((draft) => ({ ...draft, dedupe: [] })) : [];
  const by = {
    process: worker.connection.name,
    clockAt: harness.clock.now(),
    means: 'ack',
  } as const;
  publishing(history, by, publish);
  const opens = chance(0.1) ? [factNames[below(factNames.length)] ?? ''] : [];
  for (const fact of opens) history.fulfilled.add(fact);
  return ack(delivery, { publish, opens });
}

/** A process that answers. */
function someone(walk: Walk): Worker | undefined {
  return pickFrom(
    walk,
    walk.workers.filter((worker) => answers(worker)),
  );
}

function answers({ isGone, isStill }: Worker): boolean {
  return !isGone && !isStill;
}

function leave(walk: Walk, worker: Worker, how: Departure['how']): void {
  const { history } = walk;
  history.departures.push({ process: worker.connection.name, how, at: history.now() });
  worker.isGone = true;
  worker.out = [];
  walk.workers.splice(walk.workers.indexOf(worker), 1);
}

function pickFrom<Item>({ below }: Walk, items: readonly Item[]): Item | undefined {
  return items[below(items.length)];
}

const steps: Readonly<Record<StepName, Step>> = {
  publish: offer,
  grant,
  settle,
  advance: ({ harness, below }) => harness.clock.advance(below(3_000)),
  mark,
  crash,
  close,
  stall,
  pause,
  cancel,
  redrive,
};

export function stepOf(name: StepName): Step {
  return steps[name];
}
