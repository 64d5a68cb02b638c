/**
 * One campaign: publishers and workers on one engine, killed at random by a seeded schedule,
 * then left in peace until the bus itself says that nothing is left. What happened is read from the
 * histories that the processes wrote, never from the engine.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Bus } from 'malote';
import { type Arena, busAt } from './arena.ts';
import { type CampaignRecord, recordOf } from './campaign-record.ts';
import { type CampaignSetup, untilFree } from './child.ts';
import { lost } from './checkers.ts';
import { type Child, createFleet, type Fleet } from './fleet.ts';
import { now, openHistory, readHistories, unconfirmedFacts } from './history.ts';
import { fact, subscriptions, types } from './load.ts';
import type { Fault } from './nemesis.ts';

export interface Campaign {
  readonly seed: number;
  readonly folder: string;
  readonly arena: Arena;
  /** What lies between the processes and their engine, where that is a server. */
  readonly world?: World;
  /** The places that processes run in: `publisher-1`, `worker-2`. */
  readonly slots: readonly string[];
  readonly schedule: readonly Fault[];
}

export interface World {
  /** The engine's name as the process of a place reaches it. */
  engineFor(slot: string): string;
  /** Carries out a fault that is not a signal to a process. Answers once it is over. */
  strike(fault: Fault): Promise<void>;
}

/** The place of the server, in a schedule. */
export const serverSlot = 'server';

export interface CampaignResult {
  readonly record: CampaignRecord;
  /** Messages that the engine still held when the time to drain was over. */
  readonly left: number;
  readonly dead: number;
  readonly complaints: readonly string[];
  readonly drainedMs: number;
}

/** A campaign that drains no further for so long stands still for ever. */
const standstillMs = 30_000;
const pollMs = 20;

export async function runCampaign(campaign: Campaign): Promise<CampaignResult> {
  const fleet = createFleet();
  const histories = join(campaign.folder, 'histories');
  mkdirSync(histories);
  const bus = busAt(campaign.arena.engine, { logger: false });
  try {
    await registerSubscriptions(bus);
    const living = await assault(fleet, campaign, histories);
    const asked = now();
    await end(living, 'publisher');
    const left = unconfirmedFacts(readHistories(histories));
    for (const one of left)
      await untilFree(
        () => bus.fulfil(fact(one)),
        () => undefined,
      );
    const stats = await drain(bus, histories);
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
export async function registerSubscriptions(bus: Bus): Promise<void> {
  for (const { name, topic, isOrdered, waits } of subscriptions) {
    const order = isOrdered ? 'key' : 'none';
    await bus.subscribe(name, types.get(topic)!, { order, waitFor: waits });
  }
}

/** Carries out the schedule; answers who is alive after it, by place. */
async function assault(
  fleet: Fleet,
  { seed, slots, schedule, arena: { engine, leaseMs }, world }: Campaign,
  histories: string,
): Promise<ReadonlyMap<string, Child>> {
  const write = openHistory(histories, 'supervisor');
  const lives = new Map<string, number>();
  const living = new Map<string, Child>();
  /** Cuts that may still be under way. */
  const strikes: Promise<void>[] = [];

  function start(slot: string): Child {
    const life = (lives.get(slot) ?? 0) + 1;
    lives.set(slot, life);
    const name = `${slot}.${life}`;
    const program = slot.startsWith('publisher') ? 'child-publisher.ts' : 'child-worker.ts';
    const child = fleet.start(program, name, {
      name,
      seed: seed * 1_000 + life,
      engine: world?.engineFor(slot) ?? engine,
      leaseMs,
      histories,
    } satisfies CampaignSetup);
    living.set(slot, child);
    return child;
  }

  const first = slots.map(start);
  await Promise.all(first.map((child) => child.noticesOf('up', 1)));
  for (const fault of schedule) {
    const { kind, afterMs, slot, forMs, isEarly } = fault;
    if (slot === serverSlot) {
      await pause(afterMs);
      const at = now();
      await world!.strike(fault);
      write({ f: 'break', at, until: now(), process: null });
      continue;
    }
    const victim = living.get(slot)!;
    if (!isEarly) await victim.noticesOf('up', 1);
    await pause(afterMs);
    if (kind === 'pause') {
      write({ f: 'pause', at: now(), process: victim.name });
      victim.signal('SIGSTOP');
      await pause(forMs);
      victim.signal('SIGCONT');
      write({ f: 'resume', at: now(), process: victim.name });
      continue;
    }
    if (kind !== 'kill') {
      const at = now();
      const { name } = victim;
      const struck = world!.strike(fault);
      strikes.push(struck.then(() => write({ f: 'break', at, until: now(), process: name })));
      continue;
    }
    write({ f: 'kill', at: now(), process: victim.name });
    victim.signal('SIGKILL');
    await victim.ended;
    await pause(forMs);
    start(slot);
  }
  await Promise.all(strikes);
  await Promise.all([...living.values()].map((child) => child.noticesOf('up', 1)));
  return living;
}

/** Stops the processes of a kind gracefully; each has to end well. */
export async function end(living: ReadonlyMap<string, Child>, kind: string): Promise<void> {
  const ending = [...living].filter(([slot]) => slot.startsWith(kind)).map(([, child]) => child);
  for (const child of ending) child.signal('SIGTERM');
  for (const child of ending) {
    const { code, signal } = await child.ended;
    if (code !== 0) throw new Error(`${child.name} ended with ${signal ?? code}: ${child.errors}`);
  }
}

/**
 * Waits until nothing is left, for as long as less and less is. An engine that estimates may not
 * see for a moment what a dead process held.
 */
export async function drain(bus: Bus, histories: string): Promise<{ left: number; dead: number }> {
  let least = Number.POSITIVE_INFINITY;
  let deadline = 0;
  for (;;) {
    const all = await untilFree(
      () => bus.subscriptions.list(),
      () => undefined,
    );
    const left = all.reduce((sum, { stats }) => sum + stats.depth, 0);
    const dead = all.reduce((sum, { stats }) => sum + stats.dead, 0);
    if (left < least) [least, deadline] = [left, now() + standstillMs * 1_000];
    if (now() > deadline) return { left, dead };
    const isDone =
      left === 0 && lost(recordOf(readHistories(histories), subscriptions)).length === 0;
    if (isDone) return { left, dead };
    await pause(pollMs);
  }
}
