/**
 * One campaign: publishers and workers on one SQLite file, killed at random by a seeded schedule,
 * then left in peace until the bus itself says that nothing is left. What happened is read from the
 * histories that the processes wrote, never from the file.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createBus, type Bus } from 'malote';
import { sqlite } from 'malote/sqlite';
import { type CampaignRecord, recordOf } from './campaign-record.ts';
import { type Child, createFleet, type Fleet } from './fleet.ts';
import { now, openHistory, readHistories, unconfirmedFacts } from './history.ts';
import { fact, subscriptions, types } from './load.ts';
import type { Fault } from './nemesis.ts';

export interface Campaign {
  readonly seed: number;
  readonly folder: string;
  /** The places that processes run in: `publisher-1`, `worker-2`. */
  readonly slots: readonly string[];
  readonly schedule: readonly Fault[];
}

export interface CampaignResult {
  readonly record: CampaignRecord;
  /** Messages that the file still held when the time to drain was over. */
  readonly left: number;
  readonly dead: number;
  readonly complaints: readonly string[];
  readonly drainedMs: number;
}

const drainMs = 30_000;
const pollMs = 20;

export async function runCampaign(campaign: Campaign): Promise<CampaignResult> {
  const fleet = createFleet();
  const file = join(campaign.folder, 'queue.db');
  const histories = join(campaign.folder, 'histories');
  mkdirSync(histories);
  const bus = createBus({ engine: sqlite(file), logger: false });
  try {
    await registerSubscriptions(bus);
    const living = await assault(fleet, campaign, { file, histories });
    const asked = now();
    await end(living, 'publisher');
    const left = unconfirmedFacts(readHistories(histories));
    for (const one of left) await bus.fulfil(fact(one));
    const stats = await drain(bus);
    await end(living, 'worker');
    const record = recordOf(readHistories(histories), subscriptions);
    const drainedMs = Math.round((now() - asked) / 1_000);
    return { record, ...stats, complaints: fleet.complaints(), drainedMs };
  } finally {
    await fleet.end();
    await bus.stop();
  }
}

/** Before the first publish, so that every subscription gets every message. */
async function registerSubscriptions(bus: Bus): Promise<void> {
  for (const { name, topic, isOrdered, waits } of subscriptions) {
    const order = isOrdered ? 'key' : 'none';
    await bus.subscribe(name, types.get(topic)!, { order, waitFor: waits });
  }
}

/** Carries out the schedule; answers who is alive after it, by place. */
async function assault(
  fleet: Fleet,
  { seed, slots, schedule }: Campaign,
  paths: { readonly file: string; readonly histories: string },
): Promise<ReadonlyMap<string, Child>> {
  const write = openHistory(paths.histories, 'supervisor');
  const lives = new Map<string, number>();
  const living = new Map<string, Child>();

  function start(slot: string): Child {
    const life = (lives.get(slot) ?? 0) + 1;
    lives.set(slot, life);
    const name = `${slot}.${life}`;
    const program = slot.startsWith('publisher') ? 'child-publisher.ts' : 'child-worker.ts';
    const child = fleet.start(program, name, { name, seed: seed * 1_000 + life, ...paths });
    living.set(slot, child);
    return child;
  }

  const first = slots.map(start);
  await Promise.all(first.map((child) => child.noticesOf('up', 1)));
  for (const { kind, afterMs, slot, forMs, isEarly } of schedule) {
    const victim = living.get(slot)!;
    if (!isEarly) await victim.noticesOf('up', 1);
    await pause(afterMs);
    if (kind === 'pause') {
      write({ f: 'pause', at: now(), process: victim.name });
      victim.signal('SIGSTOP');
      await pause(forMs);
      victim.signal('SIGCONT');
      continue;
    }
    write({ f: 'kill', at: now(), process: victim.name });
    victim.signal('SIGKILL');
    await victim.ended;
    await pause(forMs);
    start(slot);
  }
  await Promise.all([...living.values()].map((child) => child.noticesOf('up', 1)));
  return living;
}

/** Stops the processes of a kind gracefully; each has to end well. */
async function end(living: ReadonlyMap<string, Child>, kind: string): Promise<void> {
  const ending = [...living].filter(([slot]) => slot.startsWith(kind)).map(([, child]) => child);
  for (const child of ending) child.signal('SIGTERM');
  for (const child of ending) {
    const { code, signal } = await child.ended;
    if (code !== 0) throw new Error(`${child.name} ended with ${signal ?? code}`);
  }
}

async function drain(bus: Bus): Promise<{ left: number; dead: number }> {
  const deadline = now() + drainMs * 1_000;
  for (;;) {
    const all = await bus.subscriptions.list();
    const left = all.reduce((sum, { stats }) => sum + stats.depth, 0);
    const dead = all.reduce((sum, { stats }) => sum + stats.dead, 0);
    if (left === 0 || now() > deadline) return { left, dead };
    await pause(pollMs);
  }
}
