/** The questions put to malote on SQLite, at full durability, and to those it is compared with. */

import type { Column, Contestant, Scenario } from '../scenario.ts';
import {
  count,
  flowing,
  latencyColumns,
  rate,
  rateColumns,
  settings,
  takeoverLoad,
  soakScenario,
  takeoverScenario,
  type Change,
  type Length,
} from './settings.ts';

const withWal: readonly [Column, ...Column[]] = [
  ...rateColumns,
  { metric: 'walMb', label: 'WAL MB', better: 'less' },
];

const withOpen: readonly [Column, ...Column[]] = [
  ...withWal,
  { metric: 'open', label: 'under way', better: 'less' },
];

const ranges = 'bare range-claim loop';
const lanes = 'bare lane-claim loop';
/** plainjob takes a second for what the others do in a moment, and the rest is waited for. */
const slowBacklog = 2_000;
const works = { both: 'both publish and consume', split: 'one publishes, one consumes' };
const standing: Change = { standing: 20_000, backlog: 22_000, publishers: 2_000 };

export function sqliteScenarios(length: Length): readonly Scenario[] {
  return [
    ...throughput(length),
    ...backlogs(length),
    ...pairs(length),
    ...latency(length),
    ...beside(length),
    takeoverScenario(length, [{ name: 'malote', settings: settings('sqlite', takeoverLoad) }]),
    soak(length),
  ];
}

function run(length: Length): (name: string, change: Change) => Contestant {
  return (name, change) => flowing(name, settings('sqlite', change), length);
}

function throughput(length: Length): Scenario[] {
  const flow = run(length);
  return [
    {
      name: 'unordered',
      title: 'Without order',
      columns: withWal,
      compare: 'peers',
      contestants: [
        flow('malote', {}),
        flow('malote, zod schema', { schema: true }),
        flow('malote, concurrency 10 (default)', { concurrency: 10 }),
        flow(ranges, { driver: 'bare' }),
        flow('plainjob', { driver: 'plainjob', backlog: slowBacklog }),
      ],
    },
    {
      name: 'keys',
      title: 'In order per key, 10,000 keys at random',
      columns: withWal,
      compare: 'peers',
      contestants: [
        flow('malote', { keys: 10_000 }),
        flow('malote, zod schema', { keys: 10_000, schema: true }),
        flow(lanes, { keys: 10_000, driver: 'bare' }),
      ],
    },
    {
      name: 'one-key',
      title: 'In order, all messages of one key',
      columns: withWal,
      compare: 'peers',
      contestants: [flow('malote', { keys: 1 }), flow(lanes, { keys: 1, driver: 'bare' })],
    },
    {
      name: 'events',
      title: 'What the stream of transitions and the journal cost, without order',
      columns: rateColumns,
      compare: 'variants',
      contestants: [
        flow('malote', {}),
        flow('with a listener', { listener: true }),
        flow('journal off', { journal: 'off' }),
      ],
    },
  ];
}

function backlogs(length: Length): Scenario[] {
  const flow = run(length);
  return [
    {
      name: 'backlog',
      title: 'In order per key, 10,000 keys, behind a standing backlog of 20,000',
      columns: withOpen,
      compare: 'peers',
      contestants: [
        flow('malote', { ...standing, keys: 10_000 }),
        flow(lanes, { ...standing, keys: 10_000, driver: 'bare' }),
      ],
    },
    {
      name: 'backlog-unordered',
      title: 'Without order, behind a standing backlog of 20,000',
      columns: withOpen,
      compare: 'peers',
      contestants: [
        flow('malote', standing),
        flow(ranges, { ...standing, driver: 'bare' }),
        flow('plainjob', { ...standing, driver: 'plainjob' }),
      ],
    },
  ];
}

function pairs({ duration }: Length): Scenario[] {
  const scenario = (work: 'both' | 'split', keys: number): Scenario => {
    const pair = (name: string, change: Change): Contestant => {
      const given = settings('sqlite', { backlog: 20_000, keys, ...change });
      return { name, spec: { program: 'pair', work, settings: given, duration } };
    };
    const isOrdered = keys > 0;
    const bare = isOrdered ? lanes : ranges;
    return {
      name: ['two-processes', ...(isOrdered ? ['keys'] : []), work].join('-'),
      title: `Two processes on one file, ${works[work]}${isOrdered ? ', 10,000 keys' : ''}`,
      columns: withWal,
      compare: 'peers',
      contestants: [
        pair('malote', {}),
        pair(bare, { driver: 'bare' }),
        ...(isOrdered ? [] : [pair('plainjob', { driver: 'plainjob', backlog: slowBacklog })]),
      ],
    };
  };
  return [0, 10_000].flatMap((keys) => [scenario('both', keys), scenario('split', keys)]);
}

function latency(length: Length): Scenario[] {
  const messages = length.idleMessages;
  const idle = (name: string, processes: 1 | 2, change: Change = {}): Contestant => ({
    name,
    spec: { program: 'idle', settings: settings('sqlite', change), messages, processes },
  });
  const waiting = settings('sqlite', { keys: 1, blocked: 1 });
  return [
    {
      name: 'idle',
      title: 'One message at a time through an idle system, publish to handler',
      columns: latencyColumns,
      compare: 'peers',
      contestants: [
        idle('malote', 1),
        idle(ranges, 1, { driver: 'bare' }),
        idle('plainjob', 1, { driver: 'plainjob' }),
      ],
    },
    {
      name: 'idle-two',
      title: 'One message at a time from one process to another',
      columns: latencyColumns,
      compare: 'peers',
      contestants: [idle('malote', 2)],
    },
    {
      name: 'fact',
      title: 'From the opening of a fact to the handler that waited for it',
      columns: latencyColumns,
      compare: 'peers',
      contestants: [{ name: 'malote', spec: { program: 'fact', settings: waiting, messages } }],
    },
  ];
}

function beside(length: Length): Scenario[] {
  const flow = run(length);
  const hot = length.hotMessages;
  // What is looked for is smaller than what rounds differ by.
  const more = length.name === 'full' ? { rounds: 7 } : {};
  return [
    {
      ...more,
      name: 'blocked',
      title: '100,000 keys that wait for facts, beside 10,000 busy ones',
      columns: withWal,
      compare: 'variants',
      contestants: [
        flow('without', { keys: 10_000 }),
        flow('with 100,000 waiting keys', { keys: 10_000, blocked: 100_000 }),
      ],
    },
    {
      ...more,
      name: 'hot-key',
      title: `${count(hot)} messages of one key, beside 10,000 busy ones`,
      columns: [
        { ...rate, label: 'others/s' },
        { metric: 'totalPerSecond', label: 'in all/s', better: 'more' },
        ...withWal.slice(1),
      ],
      compare: 'variants',
      contestants: [
        flow('without', { keys: 10_000 }),
        flow(`with ${count(hot)} of one key`, { keys: 10_000, hot }),
      ],
    },
  ];
}

function soak(length: Length): Scenario {
  const messages = length.soakMessages;
  const long = (load: string, change: Change): Contestant => ({
    name: `malote, ${load}, ${count(messages)} messages`,
    spec: { program: 'soak', settings: settings('sqlite', change), messages },
  });
  const weights = { heapMb: 'heap MB', rssMb: 'RSS MB', walMb: 'WAL MB', fileMb: 'file MB' };
  return soakScenario(weights, [
    long('without order', {}),
    long('10,000 keys', { keys: 10_000 }),
    long('ever new keys', { keys: 1, newKeys: true }),
  ]);
}
