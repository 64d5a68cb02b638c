/** The questions put to malote on SQLite, at full durability, and to those it is compared with. */

import type { Column, Contestant, Scenario, Spec } from '../scenario.ts';
import {
  count,
  flowing,
  latencyColumns,
  rate,
  rateColumns,
  settings,
  type Change,
  type Length,
} from './settings.ts';

const withWal: readonly [Column, ...Column[]] = [
  ...rateColumns,
  { metric: 'walMb', label: 'WAL MB', better: 'less' },
];

export function sqliteScenarios(length: Length): readonly Scenario[] {
  return [
    ...throughput(length),
    ...pairs(length),
    ...latency(length),
    ...beside(length),
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
        flow('bare range-claim loop', { driver: 'bare' }),
        // It takes a second for what the others do in a moment, and the rest has to be waited for.
        flow('plainjob', { driver: 'plainjob', backlog: 2_000 }),
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
      ],
    },
    {
      name: 'one-key',
      title: 'In order, all messages of one key',
      columns: withWal,
      compare: 'peers',
      contestants: [flow('malote', { keys: 1 })],
    },
    {
      name: 'backlog',
      title: 'In order per key, 10,000 keys, behind a standing backlog of 20,000',
      columns: [...withWal, { metric: 'open', label: 'under way', better: 'less' }],
      compare: 'peers',
      contestants: [
        flow('malote', { keys: 10_000, standing: 20_000, backlog: 22_000, publishers: 2_000 }),
      ],
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

function pairs(length: Length): Scenario[] {
  const { duration } = length;
  const pair = (name: string, work: 'both' | 'split', change: Change): Contestant => {
    const spec: Spec = { program: 'pair', work, settings: settings('sqlite', change), duration };
    return { name, spec };
  };
  const backlog = 20_000;
  return [
    {
      name: 'two-processes',
      title: 'Two processes on one file',
      columns: withWal,
      compare: 'peers',
      contestants: [
        pair('both publish and consume', 'both', { backlog }),
        pair('one publishes, one consumes', 'split', { backlog }),
        pair('both, 10,000 keys', 'both', { backlog, keys: 10_000 }),
        pair('split, 10,000 keys', 'split', { backlog, keys: 10_000 }),
      ],
    },
  ];
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
        idle('bare range-claim loop', 1, { driver: 'bare' }),
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
  return [
    {
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
  const keyed = messages / 5;
  return {
    name: 'soak',
    title: 'The long run: weights late in it, against its second quarter',
    columns: [
      rate,
      { metric: 'heapMb', label: 'heap MB', better: 'less' },
      { metric: 'heapMbGrowth', label: '×', better: 'less' },
      { metric: 'rssMb', label: 'RSS MB', better: 'less' },
      { metric: 'rssMbGrowth', label: '×', better: 'less' },
      { metric: 'walMb', label: 'WAL MB', better: 'less' },
      { metric: 'walMbGrowth', label: '×', better: 'less' },
      { metric: 'fileMb', label: 'file MB', better: 'less' },
      { metric: 'fileMbGrowth', label: '×', better: 'less' },
    ],
    compare: 'peers',
    rounds: 1,
    contestants: [
      {
        name: `malote, ${count(messages)} messages`,
        spec: { program: 'soak', settings: settings('sqlite'), messages },
      },
      {
        name: `malote, 10,000 keys, ${count(keyed)} messages`,
        spec: { program: 'soak', settings: settings('sqlite', { keys: 10_000 }), messages: keyed },
      },
    ],
  };
}
