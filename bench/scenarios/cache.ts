/** What a cache that processes share costs where the value is there, and where it is not. */

import type { CacheSettings, Column, Contestant, Scenario } from '../scenario.ts';
import { count, latencyColumns, type Length } from './settings.ts';

const processes = 20;

const hitColumns: readonly [Column, ...Column[]] = [
  { metric: 'perSecond', label: 'hits/s', better: 'more' },
  { metric: 'perCpuSecond', label: 'per CPU second', better: 'more' },
  { metric: 'rssMb', label: 'RSS MB', better: 'less' },
];
const [p50, ...others] = latencyColumns;
const loads: Column = { metric: 'loadsPerKey', label: 'loads per key', better: 'less' };

export function cacheScenarios(length: Length): readonly Scenario[] {
  const { duration, coldKeys: keys } = length;
  const hits = (name: string, settings: CacheSettings): Contestant => ({
    name,
    spec: { program: 'hits', settings, duration },
  });
  const cold = (name: string, settings: CacheSettings): Contestant => ({
    name,
    spec: { program: 'cold', settings, keys, processes },
  });
  return [
    {
      name: 'hits',
      title: 'Reading what is there: 1,000 keys at random, one process, 50 callers',
      columns: hitColumns,
      compare: 'peers',
      contestants: [
        hits('malote, SQLite', { driver: 'malote', engine: 'sqlite' }),
        hits('bare select on the same table, JSON.parse', { driver: 'select', engine: 'sqlite' }),
        hits('malote, memory', { driver: 'malote', engine: 'memory' }),
        hits('bentocache, memory', { driver: 'bentocache', engine: 'memory' }),
        hits('bare Map of JSON, shared promises', { driver: 'map', engine: 'memory' }),
      ],
    },
    {
      name: 'cold',
      title: `A cold key, ${processes} processes with 50 callers each, ${count(keys)} times`,
      columns: [p50, ...others, loads],
      compare: 'peers',
      rounds: 1,
      contestants: [
        cold('malote, SQLite', { driver: 'malote', engine: 'sqlite' }),
        cold('a Map and shared promises in each process', { driver: 'map', engine: 'memory' }),
      ],
    },
  ];
}

export function describeCache({
  name,
  rounds,
  duration,
}: Length): Readonly<Record<string, string>> {
  const { warmUpMs, measureMs } = duration;
  return {
    value: 'an object of 100 bytes of JSON; every caller has a copy of its own',
    hits: 'nothing in the process keeps values: each read of malote on SQLite reads the file',
    cold: 'a loader of 300 ms; measured from a common start to the value, in every caller',
    length:
      `${name}: hits ${rounds} rounds in turns, ${warmUpMs} ms of warm-up and ${measureMs} ms ` +
      'measured each; cold one round',
    proof: 'every read has the value of its key; on malote every cold key is loaded once',
    durability: 'WAL, synchronous=FULL',
  };
}
