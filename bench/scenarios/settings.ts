/** What all scenarios have in common, and how long the two lengths of a run take. */

import type { Column, Contestant, Duration, FlowSettings, Scenario } from '../scenario.ts';

export interface Length {
  readonly name: 'full' | 'quick';
  readonly rounds: number;
  readonly duration: Duration;
  readonly idleMessages: number;
  readonly hotMessages: number;
  readonly waitingPayments: number;
  readonly coldKeys: number;
  readonly outboxMessages: number;
  readonly soakMessages: number;
  readonly serverSoakMessages: number;
  readonly deaths: number;
  readonly starts: number;
  readonly standingFacts: readonly number[];
  readonly standingParked: readonly number[];
}

export const full: Length = {
  name: 'full',
  rounds: 3,
  duration: { warmUpMs: 1_000, measureMs: 3_000 },
  idleMessages: 2_000,
  hotMessages: 1_000_000,
  waitingPayments: 1_000,
  coldKeys: 20,
  outboxMessages: 200_000,
  soakMessages: 10_000_000,
  serverSoakMessages: 1_000_000,
  deaths: 5,
  starts: 20,
  standingFacts: [10_000, 100_000, 1_000_000],
  // Eight partitions hold 60,000 each at the most.
  standingParked: [10_000, 100_000, 300_000],
};

export const quick: Length = {
  name: 'quick',
  rounds: 3,
  duration: { warmUpMs: 500, measureMs: 1_000 },
  idleMessages: 300,
  hotMessages: 100_000,
  waitingPayments: 200,
  coldKeys: 5,
  outboxMessages: 50_000,
  soakMessages: 1_000_000,
  serverSoakMessages: 200_000,
  deaths: 2,
  starts: 3,
  standingFacts: [10_000, 100_000],
  standingParked: [10_000],
};

const usual: FlowSettings = {
  driver: 'malote',
  engine: 'memory',
  publishers: 1_000,
  concurrency: 1_000,
  keys: 0,
  newKeys: false,
  schema: false,
  journal: 'exceptions',
  listener: false,
  backlog: 10_000,
  standing: 0,
  blocked: 0,
  hot: 0,
  capacity: 0,
  failEvery: 0,
};

export type Change = Partial<FlowSettings>;

export function settings(engine: FlowSettings['engine'], change: Change = {}): FlowSettings {
  return { ...usual, engine, ...change };
}

export const rate: Column = { metric: 'perSecond', label: 'messages/s', better: 'more' };

export const rateColumns: readonly [Column, ...Column[]] = [
  rate,
  { metric: 'perCpuSecond', label: 'per CPU second', better: 'more' },
  { metric: 'loopP99Ms', label: 'loop p99 ms', better: 'less' },
  { metric: 'loopMaxMs', label: 'loop max ms', better: 'less' },
  { metric: 'loopOwnMaxMs', label: 'own max ms', better: 'less' },
  { metric: 'cpu', label: 'cores', better: 'less' },
  { metric: 'rssMb', label: 'RSS MB', better: 'less' },
];

export const latencyColumns: readonly [Column, ...Column[]] = [
  { metric: 'p50Ms', label: 'p50 ms', better: 'less' },
  { metric: 'p99Ms', label: 'p99 ms', better: 'less' },
  { metric: 'maxMs', label: 'max ms', better: 'less' },
];

/** A contestant of a workload that publishes and consumes at once in one process. */
export function flowing(name: string, given: FlowSettings, length: Length): Contestant {
  return { name, spec: { program: 'flow', settings: given, duration: length.duration } };
}

/** Half of the keys for each of two workers: neither takes them all. */
export const takeoverLoad: Change = { keys: 64, concurrency: 32 };

export function takeoverScenario(
  { deaths }: Length,
  [first, ...others]: readonly [Taking, ...Taking[]],
): Scenario {
  const contestant = ({ name, settings: given }: Taking): Contestant => ({
    name,
    spec: { program: 'takeover', settings: given, deaths },
  });
  return {
    name: 'takeover',
    title: 'One of two workers is killed: until the other handles a message of every key',
    columns: [
      { metric: 'lastMs', label: 'the last key, ms', better: 'less' },
      { metric: 'worstMs', label: 'worst ms', better: 'less' },
      { metric: 'p50Ms', label: 'median over the keys, ms', better: 'less' },
    ],
    compare: 'peers',
    rounds: 1,
    contestants: [contestant(first), ...others.map(contestant)],
  };
}

interface Taking {
  readonly name: string;
  readonly settings: FlowSettings;
}

/** A count as people read it. */
export function count(value: number): string {
  return value.toLocaleString('en');
}

export function describe(length: Length, given: FlowSettings): Readonly<Record<string, string>> {
  const { warmUpMs, measureMs } = length.duration;
  const { publishers, concurrency, backlog, journal, engine } = given;
  return {
    message: '209 bytes of JSON, each acknowledged, trivial async handler',
    load:
      `${count(publishers)} publishers that await each publish, concurrency ` +
      `${count(concurrency)}, at most ${count(backlog)} under way, unless said otherwise`,
    length:
      `${length.name}: ${length.rounds} rounds in turns, ` +
      `${warmUpMs} ms of warm-up and ${measureMs} ms measured each`,
    proof: 'every run checks that each message was handled once, in the order of its key',
    journal,
    durability: engine === 'sqlite' ? 'WAL, synchronous=FULL, for all' : 'none: in memory',
  };
}

/** @param weights - what is measured late in the run, by metric, and its name in the table */
export function soakScenario(
  weights: Readonly<Record<string, string>>,
  contestants: Scenario['contestants'],
): Scenario {
  const columns = Object.entries(weights).flatMap(([metric, label]): Column[] => [
    { metric, label, better: 'less' },
    { metric: `${metric}Growth`, label: '×', better: 'less' },
  ]);
  return {
    name: 'soak',
    title: 'The long run: weights late in it, against its second quarter',
    columns: [rate, ...columns],
    compare: 'peers',
    rounds: 1,
    contestants,
  };
}
