/** What the speed is meant to be, and whether a document reaches it. */

import { number } from './number.ts';
import { contestantOf, medianOf, type Document } from './results.ts';

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

export const aims: readonly Aim[] = [
  least('memory', 'without order', 300_000, rateOf('unordered')),
  least('sqlite', 'without order', 150_000, rateOf('unordered')),
  least('sqlite', '10,000 keys', 80_000, rateOf('keys')),
  least('sqlite', 'one key', 120_000, rateOf('one-key')),
  least('sqlite', 'standing backlog over random keys', 40_000, rateOf('backlog')),
  times('against plainjob at the same durability', 35, over('unordered', 'plainjob')),
  times('against a bare range-claim loop', 0.5, over('unordered', 'bare')),
  ms('idle, one process, p50', 0.3, (document) =>
    medianOf(contestantOf(document, 'idle'), 'p50Ms'),
  ),
  ms('idle, two processes, p50', 2, (document) =>
    medianOf(contestantOf(document, 'idle-two'), 'p50Ms'),
  ),
  {
    ...ms('a payment after its customer, p99', 100, (document) =>
      medianOf(contestantOf(document, 'registered-to-booked'), 'p99Ms'),
    ),
    suite: 'payments',
  },
  slower('100,000 waiting keys slow the others by', slowdown('blocked')),
  slower('many messages of one key slow the others by', slowdown('hot-key')),
  flat('heap', 'heapMbGrowth'),
  flat('RSS', 'rssMbGrowth'),
  flat('WAL', 'walMbGrowth'),
  flat('file', 'fileMbGrowth'),
];

export function judge(document: Document): readonly Judgement[] {
  return aims.filter(({ suite }) => suite === document.suite).map((aim) => judgeOne(aim, document));
}

function judgeOne({ what, aim, bound, unit, measure }: Aim, document: Document): Judgement {
  const value = measure(document);
  if (value === null) return { what, aim, measured: 'not measured', verdict: '' };
  const isMet = 'least' in bound ? value >= bound.least : value <= bound.most;
  const gap = 'least' in bound ? 1 - value / bound.least : value / bound.most - 1;
  return {
    what,
    aim,
    measured: `${number(value)}${unit}`,
    verdict: isMet ? 'met' : `missed by ${number(gap * 100)} %`,
  };
}

type Measure = Aim['measure'];

function rateOf(scenario: string): Measure {
  return (document) => medianOf(contestantOf(document, scenario), 'perSecond');
}

/** How many times the first contestant is as fast as another. */
function over(scenario: string, peer: string): Measure {
  return (document) => {
    const own = medianOf(contestantOf(document, scenario), 'perSecond');
    const theirs = medianOf(contestantOf(document, scenario, peer), 'perSecond');
    return own === null || theirs === null ? null : own / theirs;
  };
}

/** By how many per cent the second contestant is slower than the first. */
function slowdown(scenario: string): Measure {
  return (document) => {
    const without = medianOf(contestantOf(document, scenario), 'perSecond');
    const beside = medianOf(contestantOf(document, scenario, 'with '), 'perSecond');
    return without === null || beside === null ? null : (1 - beside / without) * 100;
  };
}

function least(suite: string, what: string, bound: number, measure: Measure): Aim {
  const aim = `≥ ${bound.toLocaleString('en')}/s`;
  return { suite, what, aim, bound: { least: bound }, unit: '/s', measure };
}

function times(what: string, bound: number, measure: Measure): Aim {
  return {
    suite: 'sqlite',
    what,
    aim: `≥ ${bound} ×`,
    bound: { least: bound },
    unit: ' ×',
    measure,
  };
}

function ms(what: string, bound: number, measure: Measure): Aim {
  return {
    suite: 'sqlite',
    what,
    aim: `≤ ${bound} ms`,
    bound: { most: bound },
    unit: ' ms',
    measure,
  };
}

function slower(what: string, measure: Measure): Aim {
  return { suite: 'sqlite', what, aim: '< 20 %', bound: { most: 20 }, unit: ' %', measure };
}

/** Flat within what a collector and a page cache move by themselves. */
function flat(what: string, metric: string): Aim {
  return {
    suite: 'sqlite',
    what: `${what} over the long run, last quarter against the second`,
    aim: '≤ 1.2 ×',
    bound: { most: 1.2 },
    unit: ' ×',
    measure: (document) => medianOf(contestantOf(document, 'soak'), metric),
  };
}
