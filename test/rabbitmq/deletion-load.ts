/**
 * What flows while queues are deleted: of everything that has a queue of its own some, wave after
 * wave, and what became of each.
 */
import {
  type Bus,
  createBus,
  dependency,
  fixed,
  MaloteError,
  message,
  type TransitionEvent,
} from 'malote';
import type { EngineUnderTest } from 'malote/testing';
import { partitionOf } from '../../src/transports/rabbitmq/names.ts';
import type { Transitions } from '../support/transitions.ts';
import type { Outside } from './outside.ts';

export const partitions = 2;
export const limits = {
  longestHeldMs: 50,
  steps: [
    { ms: 60, name: '60ms' },
    { ms: 250, name: '250ms' },
  ],
};

export type Kind = 'plain' | 'late' | 'waits' | 'fails' | 'dies' | 'foreign';

export interface Job {
  readonly n: number;
  readonly kind: Kind;
  /** Null where there is no order. */
  readonly key: string | null;
  /** It was published after the deletion. */
  readonly isAfter: boolean;
}

/** The partition in which it waits, is tried again, or stands in order. */
export function placeOf({ n, key }: Job): number {
  return partitionOf(key ?? idOf({ n }), partitions);
}

const opened = dependency('opened');
const waitFor = ({ kind, n }: Job): readonly ReturnType<typeof opened>[] =>
  kind === 'waits' ? [opened(String(n))] : [];
const ordered = message<Job>('job.ordered', { orderBy: ({ key }) => key ?? '', waitFor });
const loose = message<Job>('job.loose', { waitFor });
const subscription = 'work';
const idOf = ({ n }: Pick<Job, 'n'>): string => `job ${n}`;
const kinds: readonly Kind[] = ['plain', 'late', 'waits', 'fails', 'dies', 'foreign'];
const delays = [80, 300];

class Hopeless extends Error {}

export interface Load extends AsyncDisposable {
  readonly bus: Bus;
  /** Publishes until all that a wave consists of was accepted, and calls back after each wave. */
  flow(goesOn: (waves: number) => boolean): Promise<void>;
  /** From now on what is published is published after the deletion. */
  deleted(): void;
  /** Opens once more all that was opened. */
  openAgain(): Promise<void>;
  /** Resolves once all of these are done, or dead where they are to die. */
  settled(isIncluded: (job: Job) => boolean): Promise<void>;
  readonly accepted: readonly Job[];
  isDone(job: Job): boolean;
  /** Jobs of a key that were done before an older one of it. */
  disorder(isIncluded: (job: Job) => boolean): readonly string[];
}

export interface LoadOptions {
  readonly subject: EngineUnderTest;
  readonly them: Outside;
  /** Of buses with these names. */
  readonly told: Transitions;
  readonly names: readonly string[];
}

export async function startLoad({ subject, them, told, names }: LoadOptions): Promise<Load> {
  const open = (name: string, lease: string): Bus => {
    const common = { name, logger: false, handleSignals: false } as const;
    return createBus({ engine: subject.make(), lease: lease as '2s', ...common });
  };
  const publisher = open('publisher', '2s');
  const handled = new Map<number, number>();
  const failed = new Set<number>();
  let changed: () => void = () => undefined;
  const workers = names.map((name) => open(name, '10s'));
  for (const worker of workers) {
    worker.consume(
      [ordered, loose],
      {
        name: subscription,
        order: 'key',
        retry: { attempts: 100, backoff: fixed('20ms'), giveUpOn: [Hopeless] },
      },
      ({ data: { n, kind } }) => {
        if (kind === 'dies') throw new Hopeless();
        if (kind === 'fails' && failed.size !== failed.add(n).size)
          throw new Error('it fails once');
        if (!handled.has(n)) handled.set(n, handled.size);
        changed();
      },
    );
    await worker.start();
  }
  const accepted: Job[] = [];
  const facts: string[] = [];
  let isAfter = false;
  let made = 0;

  async function publish(job: Job): Promise<boolean> {
    const { kind, key, n } = job;
    const type = key === null ? loose : ordered;
    const delay = kind === 'late' ? { delay: delays[n % delays.length]! } : {};
    try {
      if (kind === 'foreign') await them.publish(type.name, job, { messageId: idOf(job) });
      else await publisher.publish(type, job, { id: idOf(job), ...delay });
    } catch (error) {
      // The server may fail with what is deleted, and end the connection of whoever uses it.
      const isPassing = error instanceof MaloteError || /INTERNAL.ERROR/.test(String(error));
      if (isPassing) return false;
      throw error;
    }
    accepted.push(job);
    return true;
  }

  async function fulfil(): Promise<void> {
    for (;;) {
      try {
        await publisher.fulfil(...facts.map((one) => opened(one)));
        return;
      } catch (error) {
        if (!(error instanceof MaloteError)) throw error;
      }
    }
  }

  async function wave(): Promise<boolean> {
    const jobs = kinds.flatMap((kind) =>
      [`key ${made % 7}`, `key ${made % 11}`, null, null].map((key): Job => {
        made += 1;
        return { n: made, kind, key, isAfter };
      }),
    );
    const outcomes = await Promise.all(jobs.map(publish));
    facts.push(...jobs.filter(({ kind }) => kind === 'waits').map(({ n }) => String(n)));
    await fulfil();
    return outcomes.every(Boolean);
  }

  const dead = (all: readonly TransitionEvent[]): Set<string> =>
    new Set(all.flatMap((event) => (event.kind === 'dead' ? [event.id] : [])));
  const isDone = (job: Job): boolean =>
    job.kind === 'dies' ? dead(told.all).has(idOf(job)) : handled.has(job.n);

  return {
    bus: publisher,
    accepted,
    isDone,
    async flow(goesOn) {
      for (let waves = 0; goesOn(waves); ) if (await wave()) waves += 1;
    },
    deleted: () => void (isAfter = true),
    openAgain: fulfil,
    async settled(isIncluded) {
      const wanted = accepted.filter(isIncluded);
      const isAll = (): boolean => wanted.every(isDone);
      while (!isAll()) {
        const more = new Promise<void>((resolve) => (changed = resolve));
        const { length } = told.all;
        await Promise.race([more, told.until((all) => all.length > length)]);
      }
    },
    disorder(isIncluded) {
      const last = new Map<string, Job>();
      return accepted
        .filter((job) => job.kind !== 'late' && job.kind !== 'dies' && job.kind !== 'foreign')
        .filter((job) => job.key !== null && isIncluded(job) && handled.has(job.n))
        .toSorted((a, b) => a.n - b.n)
        .flatMap((job) => {
          const before = last.get(job.key!);
          last.set(job.key!, job);
          if (before === undefined || handled.get(before.n)! < handled.get(job.n)!) return [];
          return [`${job.n} before ${before.n}`];
        });
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([publisher, ...workers].map((bus) => bus.stop()));
    },
  };
}
