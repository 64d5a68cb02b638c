/** The questions put to the whole pipeline on the memory engine: what malote itself costs. */

import type { Scenario } from '../scenario.ts';
import { flowing, rateColumns, settings, type Change, type Length } from './settings.ts';

export function memoryScenarios(length: Length): readonly Scenario[] {
  const run = (name: string, change: Change): Scenario['contestants'][number] =>
    flowing(name, settings('memory', change), length);
  return [
    {
      name: 'unordered',
      title: 'Without order',
      columns: rateColumns,
      compare: 'peers',
      contestants: [
        run('malote', {}),
        run('malote, zod schema', { schema: true }),
        run('malote, concurrency 10 (default)', { concurrency: 10 }),
        run('bare array of JSON', { driver: 'bare' }),
      ],
    },
    {
      name: 'keys',
      title: 'In order per key, 10,000 keys at random',
      columns: rateColumns,
      compare: 'peers',
      contestants: [
        run('malote', { keys: 10_000 }),
        run('malote, zod schema', { keys: 10_000, schema: true }),
      ],
    },
    {
      name: 'one-key',
      title: 'In order, all messages of one key',
      columns: rateColumns,
      compare: 'peers',
      contestants: [
        run('malote', { keys: 1 }),
        run('malote, zod schema', { keys: 1, schema: true }),
      ],
    },
    {
      name: 'bounded',
      title: 'Capacity 1,000 that publishers wait for, 3 workers, every tenth fails once',
      columns: rateColumns,
      compare: 'peers',
      contestants: [
        run('malote', { capacity: 1_000, concurrency: 3, failEvery: 10, backlog: 1_000_000 }),
      ],
    },
    {
      name: 'events',
      title: 'What the stream of transitions costs, without order',
      columns: rateColumns,
      compare: 'variants',
      contestants: [
        run('malote', {}),
        run('with a listener', { listener: true }),
        run('journal off', { journal: 'off' }),
      ],
    },
  ];
}
