/** What the speed is meant to be, and whether a document reaches it. */

import { number } from './number.ts';
import { contestantOf, medianOf, mostOf, ratioOf, type Document } from './results.ts';

export interface Aim {
  readonly suite: string;
  readonly what: string;
  readonly aim: string;
  readonly bound: { readonly least: number } | { readonly most: number };
  readonly unit: string;
  /** Null where the document does not say. */
  measure(document: Document): number | null;
}

export interface Judgement {
  readonly what: string;
  readonly aim: string;
  readonly measured: string;
  readonly verdict: string;
}

const percent = ' %';
const sqliteWeights = { heap: 'heapMb', RSS: 'rssMb', WAL: 'walMb', file: 'fileMb' };

export const aims: readonly Aim[] = [
  least('memory', 'without order', 300_000, rateOf('unordered')),
  least('sqlite', 'without order', 150_000, rateOf('unordered')),
  least('sqlite', '10,000 keys', 80_000, rateOf('keys')),
  least('sqlite', 'one key', 120_000, rateOf('one-key')),
  least('sqlite', 'standing backlog over random keys', 40_000, rateOf('backlog')),
  times('sqlite', 'against plainjob at the same durability', 35, over('unordered', 'plainjob')),
  times('sqlite', 'against a bare range-claim loop', 0.5, over('unordered', 'bare')),
  ms('sqlite', 'idle, one process, p50', 0.3, (document) =>
    medianOf(contestantOf(document, 'idle'), 'p50Ms'),
  ),
  ms('sqlite', 'idle, two processes, p50', 2, (document) =>
    medianOf(contestantOf(document, 'idle-two'), 'p50Ms'),
  ),
  ms('payments', 'a payment after its customer, p99', 100, (document) =>
    medianOf(contestantOf(document, 'registered-to-booked'), 'p99Ms'),
  ),
  ms('payments', 'npm start until it is ready, worst', 60_000, (document) =>
    medianOf(contestantOf(document, 'start'), 'maxMs'),
  ),
  ms('cache', 'a cold key over 20 processes, loader of 300 ms, p99', 450, (document) =>
    medianOf(contestantOf(document, 'cold'), 'p99Ms'),
  ),
  least('outbox', 'relaying, SQLite to SQLite', 40_000, rateOf('relay')),
  least('outbox', 'effects through the inbox', 20_000, rateOf('effects')),
  slower('sqlite', '100,000 waiting keys slow the others by', slowdown('blocked')),
  slower('sqlite', 'many messages of one key slow the others by', slowdown('hot-key')),
  unblocked('without order', 'unordered'),
  unblocked('10,000 keys', 'keys'),
  unblocked('one key', 'one-key'),
  unblocked('standing backlog', 'backlog'),
  unblocked(
    'two processes',
    'two-processes-both',
    'two-processes-split',
    'two-processes-keys-both',
    'two-processes-keys-split',
  ),
  ms('sqlite', 'a worker killed, to the last key with the other, worst', 1_000, (document) =>
    mostOf(contestantOf(document, 'takeover'), 'worstMs'),
  ),
  ...flat('sqlite', ['without order', '10,000 keys', 'ever new keys'], sqliteWeights),
  times(
    'rabbitmq',
    'without order, against a loop that sends as much and acks a turn at once',
    0.95,
    over('unordered', 'bare loop with ids'),
  ),
  times(
    'rabbitmq',
    'without order, against one that sends as much and acks singly',
    1,
    over('unordered', 'the same loop, acks singly'),
  ),
  times(
    'rabbitmq',
    '10,000 keys, against a loop that sends as much and acks a turn at once',
    0.85,
    over('keys', 'bare loop with ids'),
  ),
  ms('rabbitmq', 'idle, one process, p50', 1, (document) =>
    medianOf(contestantOf(document, 'idle'), 'p50Ms'),
  ),
  ms('rabbitmq', 'from a fact to the handler, p50', 2, (document) =>
    medianOf(contestantOf(document, 'fact'), 'p50Ms'),
  ),
  ...flat('rabbitmq', ['without order', '10,000 keys'], { heap: 'heapMb', RSS: 'rssMb' }),
  ms('rabbitmq', 'all handled after the return of the server, worst', 5_000, (document) =>
    medianOf(contestantOf(document, 'recovery'), 'worstMs'),
  ),
  ms('rabbitmq', 'eight processes, until each has its share, worst', 10_000, (document) =>
    mostOf(contestantOf(document, 'rebalance'), 'worstMs'),
  ),
  ms('rabbitmq', 'a payment after its customer, over four processes, median', 50, (document) =>
    medianOf(contestantOf(document, 'release'), 'p50Ms'),
  ),
];

export function judge(document: Document): readonly Judgement[] {
  return aims.filter(({ suite }) => suite === document.suite).map((aim) => judgeOne(aim, document));
}

function judgeOne({ what, aim, bound, unit, measure }: Aim, document: Document): Judgement {
  const value = measure(document);
  if (value === null) return { what, aim, measured: 'not measured', verdict: '' };
  const isMet = 'least' in bound ? value >= bound.least : value <= bound.most;
  return {
    what,
    aim,
    measured: `${number(value)}${unit}`,
    verdict: isMet ? 'met' : `missed by ${missedBy(value, bound, unit)}`,
  };
}

/** A share is missed by points: a per cent of a per cent would be read as one. */
function missedBy(value: number, bound: Aim['bound'], unit: string): string {
  if (unit === percent) return `${number(Math.abs(value - limitOf(bound)))} points`;
  return `${number(Math.abs(value / limitOf(bound) - 1) * 100)} %`;
}

function limitOf(bound: Aim['bound']): number {
  return 'least' in bound ? bound.least : bound.most;
}

type Measure = Aim['measure'];

function rateOf(scenario: string): Measure {
  return (document) => medianOf(contestantOf(document, scenario), 'perSecond');
}

/** How many times the first contestant is as fast as another. */
function over(scenario: string, peer: string): Measure {
  return (document) =>
    ratioOf(contestantOf(document, scenario), contestantOf(document, scenario, peer), 'perSecond');
}

/** By how many per cent the second contestant is slower than the first. */
function slowdown(scenario: string): Measure {
  return (document) => {
    const beside = contestantOf(document, scenario, 'with ');
    const left = ratioOf(beside, contestantOf(document, scenario), 'perSecond');
    return left === null ? null : (1 - left) * 100;
  };
}

function least(suite: string, what: string, bound: number, measure: Measure): Aim {
  const aim = `≥ ${bound.toLocaleString('en')}/s`;
  return { suite, what, aim, bound: { least: bound }, unit: '/s', measure };
}

function times(suite: string, what: string, bound: number, measure: Measure): Aim {
  return {
    suite,
    what,
    aim: `≥ ${bound} ×`,
    bound: { least: bound },
    unit: ' ×',
    measure,
  };
}

function ms(suite: string, what: string, bound: number, measure: Measure): Aim {
  return {
    suite,
    what,
    aim: `≤ ${bound.toLocaleString('en')} ms`,
    bound: { most: bound },
    unit: ' ms',
    measure,
  };
}

function slower(suite: string, what: string, measure: Measure): Aim {
  return { suite, what, aim: '< 20 %', bound: { most: 20 }, unit: percent, measure };
}

/** Of the worst round and the worse process, without what others took of the processor. */
function unblocked(what: string, ...scenarios: readonly string[]): Aim {
  return ms('sqlite', `the event loop blocked at once, ${what}`, 50, (document) => {
    const worst = scenarios.map((scenario) =>
      mostOf(contestantOf(document, scenario), 'loopOwnMaxMs'),
    );
    const known = worst.filter((value) => value !== null);
    return known.length === scenarios.length ? Math.max(...known) : null;
  });
}

/** Flat within what a collector and a page cache move by themselves. */
function flat(
  suite: string,
  loads: readonly string[],
  weights: Readonly<Record<string, string>>,
): Aim[] {
  return loads.flatMap((load) =>
    Object.entries(weights).map(([weight, metric]) => ({
      suite,
      what: `${weight} over the long run ${load}, last quarter against the second`,
      aim: '≤ 1.2 ×',
      bound: { most: 1.2 },
      unit: ' ×',
      measure: (document) =>
        medianOf(contestantOf(document, 'soak', `malote, ${load}`), `${metric}Growth`),
    })),
  );
}
