/**
 * One box campaign: applications, relays and workers, killed or stopped by a seeded schedule, then
 * left in peace until nothing is left. What happened is read from the business tables.
 */
import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { missing } from './box-checkers.ts';
import {
  boxBus,
  type BoxPlace,
  type BoxSetup,
  connect,
  createTables,
  subscriptions,
} from './box-load.ts';
import { type Child, createFleet } from './fleet.ts';
import type { Fault } from './nemesis.ts';

export interface BoxCampaign extends BoxPlace {
  readonly seed: number;
  readonly folder: string;
  /** The places that processes run in: `app-1`, `relay-1`, `worker-2`. */
  readonly slots: readonly string[];
  readonly schedule: readonly Fault[];
}

export interface EffectRow {
  readonly subscription: string;
  readonly label: string;
  readonly key: string | null;
  readonly token: number;
  readonly process: string;
}

export interface BoxResult {
  /** Committed, in the order of their commits. */
  readonly business: readonly { readonly label: string; readonly key: string | null }[];
  readonly effects: readonly EffectRow[];
  readonly left: number;
  readonly dead: number;
  readonly complaints: readonly string[];
}

const names = subscriptions.map(({ name }) => name);
const drainMs = 30_000;
const pollMs = 20;

export async function runBoxCampaign(campaign: BoxCampaign): Promise<BoxResult> {
  const { engine, store, leaseMs, folder, slots, schedule, seed } = campaign;
  const place: BoxPlace = { engine, store, leaseMs };
  const isApart = engine !== store;
  const fleet = createFleet();
  const bus = boxBus({ ...place, name: 'supervisor' }, false);
  const db = connect(store);
  try {
    createTables(db);
    for (const { name, type } of subscriptions) await bus.subscribe(name, type);
    if (isApart) await bus.start();
    const start = (name: string, life: number): Child => {
      const kind = name.split('-')[0]!;
      const own = { name: `${name}.${life}`, seed: seed * 1_000 + life, histories: folder };
      const setup: BoxSetup = { ...place, ...own };
      return fleet.start(`child-box-${kind}.ts`, setup.name, setup);
    };
    const living = await assault(slots, schedule, start);
    await end(living, 'app');
    const drained = await drain(async () => {
      const all = (await bus.subscriptions.list()).map(({ stats }) => stats);
      const waiting = isApart ? await bus.outbox.stats() : { waiting: 0, dead: 0 };
      const standing = all.reduce((sum, { depth }) => sum + depth, waiting.waiting);
      // An engine that estimates may for a moment not see what a dead process held.
      const left = standing > 0 ? standing : missing(tablesOf(db), names);
      return { left, dead: all.reduce((sum, { dead }) => sum + dead, waiting.dead) };
    });
    await end(living, 'worker');
    await end(living, 'relay');
    return { ...drained, ...tablesOf(db), complaints: fleet.complaints() };
  } finally {
    await fleet.end();
    await bus.stop();
    db.close();
  }
}

type Start = (slot: string, life: number) => Child;

async function assault(
  slots: readonly string[],
  schedule: readonly Fault[],
  start: Start,
): Promise<ReadonlyMap<string, Child>> {
  const lives = new Map<string, number>();
  const living = new Map<string, Child>();
  const raise = (slot: string): void => {
    const life = (lives.get(slot) ?? 0) + 1;
    lives.set(slot, life);
    living.set(slot, start(slot, life));
  };
  slots.forEach(raise);
  await allUp(living);
  for (const { kind, afterMs, slot, forMs, isEarly } of schedule) {
    const victim = living.get(slot)!;
    if (!isEarly) await victim.noticesOf('up', 1);
    await pause(afterMs);
    victim.signal(kind === 'pause' ? 'SIGSTOP' : 'SIGKILL');
    if (kind === 'kill') await victim.ended;
    await pause(forMs);
    if (kind === 'pause') victim.signal('SIGCONT');
    else raise(slot);
  }
  await allUp(living);
  return living;
}

async function allUp(living: ReadonlyMap<string, Child>): Promise<void> {
  await Promise.all([...living.values()].map((child) => child.noticesOf('up', 1)));
}

/** Stops the processes of a kind gracefully; each has to end well. */
async function end(living: ReadonlyMap<string, Child>, kind: string): Promise<void> {
  const ending = [...living].filter(([slot]) => slot.startsWith(kind)).map(([, child]) => child);
  for (const child of ending) child.signal('SIGTERM');
  for (const child of ending) {
    const { code, signal } = await child.ended;
    if (code !== 0) throw new Error(`${child.name} ended with ${signal ?? code}: ${child.errors}`);
  }
}

interface Standing {
  readonly left: number;
  readonly dead: number;
}

async function drain(look: () => Promise<Standing>): Promise<Standing> {
  const deadline = Date.now() + drainMs;
  // Two files are looked at one after the other, and a message may move on in between.
  for (let clear = 0; ; await pause(pollMs)) {
    const standing = await look();
    clear = standing.left === 0 ? clear + 1 : 0;
    if (clear === 3 || Date.now() > deadline) return standing;
  }
}

function tablesOf(db: DatabaseSync): Pick<BoxResult, 'business' | 'effects'> {
  const all = (sql: string): never => db.prepare(sql).all() as never;
  return {
    business: all('select label, key from business order by sequence'),
    effects: all('select subscription, label, key, token, process from effect order by sequence'),
  };
}
