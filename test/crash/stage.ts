/**
 * Where actors play: an engine, the supervisor's own bus on it, and the processes, all ended with
 * the test whatever becomes of it.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Bus, createBus } from 'malote';
import {
  type Act,
  type ActorOptions,
  type ActorSetup,
  type Command,
  subscription,
  workAsked,
} from './acts.ts';
import { engineAt, sqliteIn } from './arena.ts';
import { type Child, createFleet, type Fleet } from './fleet.ts';
import { readHistories } from './history.ts';

type Stats = Awaited<ReturnType<Bus['subscriptions']['stats']>>;

export interface Stage extends AsyncDisposable {
  /** The name of its engine, as `arena.ts` opens it. */
  readonly engine: string;
  readonly bus: Bus;
  readonly fleet: Fleet;
  /** Starts an actor; resolves once it is a consumer. */
  enter(name: string, options?: Partial<ActorOptions>): Promise<Child>;
  /** Starts an actor and does not wait for it. */
  push(name: string, options?: Partial<ActorOptions>): Child;
  /** Publishes in order; a key makes neighbours of it a lane. */
  publish(...acts: readonly Act[]): Promise<void>;
  /** Resolves once the statistics fit. */
  until(fits: (stats: Stats) => boolean): Promise<Stats>;
  /**
   * Resolves once the subscription holds nothing, and everything published is done or dead: an
   * engine that estimates may for a moment not see what a dead process held.
   */
  drained(): Promise<Stats>;
  /** The labels of what actors began and ended, one per time; read from their histories. */
  began(): readonly string[];
  ended(): readonly string[];
}

const usual: ActorOptions = { lease: 10_000, concurrency: 4, attempts: 10 };
const pollMs = 10;

export interface StageOptions extends Partial<ActorOptions> {
  /** A file in the folder, when nothing is said. */
  readonly engine?: string;
}

export type OpenStage = (options?: StageOptions) => Promise<Stage>;

export async function openStage(folder: string, about: StageOptions = {}): Promise<Stage> {
  const { engine = sqliteIn(folder).engine, ...common } = about;
  const histories = join(folder, 'histories');
  mkdirSync(histories, { recursive: true });
  const fleet = createFleet();
  const bus = createBus({ engine: engineAt(engine), logger: false });
  const published = new Set<string>();
  await bus.subscribe(subscription, workAsked);

  function push(name: string, options: Partial<ActorOptions> = {}): Child {
    const own = { ...usual, ...common, ...options };
    const setup: ActorSetup = { ...own, engine, name, histories, seed: 0 };
    return fleet.start('child-actor.ts', name, setup);
  }

  async function enter(name: string, options?: Partial<ActorOptions>): Promise<Child> {
    const child = push(name, options);
    await child.noticesOf('up', 1);
    return child;
  }

  async function until(fits: (stats: Stats) => boolean): Promise<Stats> {
    for (;;) {
      const stats = await bus.subscriptions.stats(subscription);
      if (fits(stats)) return stats;
      await pause(pollMs);
    }
  }

  async function drained(): Promise<Stats> {
    for (;;) {
      const stats = await until(({ depth }) => depth === 0);
      const done = new Set(writtenBy('end')());
      if (done.size + stats.dead >= published.size) return stats;
      await pause(pollMs);
    }
  }

  const writtenBy = (kind: 'start' | 'end') => (): readonly string[] =>
    readHistories(histories).flatMap(({ line }) => (line.f === kind ? [line.label] : []));

  return {
    engine,
    bus,
    fleet,
    push,
    enter,
    until,
    drained,
    began: writtenBy('start'),
    ended: writtenBy('end'),
    async publish(...given) {
      for (const { label } of given) published.add(label);
      const publishing = given.map((act) =>
        bus.publish(workAsked, act, act.key === null ? {} : { orderKey: act.key }),
      );
      await Promise.all(publishing);
    },
    async [Symbol.asyncDispose]() {
      await fleet.end();
      await bus.stop();
    },
  };
}

export function acts(kind: Act['kind'], key: string | null, labels: readonly string[]): Act[] {
  return labels.map((label) => ({ kind, key, label }));
}

export function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`);
}

export function go(child: Child, labels: readonly string[]): void {
  child.tell({ kind: 'go', labels } satisfies Command);
}

export function freeze(child: Child): void {
  child.tell({ kind: 'freeze' } satisfies Command);
}

/** The labels of its notices of a kind, in the order they came. */
export function labelsOf(child: Child, kind: string): string[] {
  return child.notices.flatMap((one) => (one.kind === kind ? [one.label ?? ''] : []));
}
