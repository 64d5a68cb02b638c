/** What an outbox costs to relay, and what effects cost that happen once. */

import type { Contestant, OutboxSettings, Scenario } from '../scenario.ts';
import { count, type Length, rateColumns } from './settings.ts';

export function outboxScenarios({ outboxMessages: messages }: Length): readonly Scenario[] {
  const contestant = (name: string, settings: Omit<OutboxSettings, 'engine'>): Contestant => ({
    name,
    spec: { program: 'outbox', settings: { engine: 'sqlite', ...settings }, messages },
  });
  return [
    {
      name: 'relay',
      title: `Relaying ${count(messages)} standing rows from SQLite to SQLite, 10,000 keys`,
      columns: rateColumns,
      compare: 'peers',
      contestants: [
        contestant('malote', { driver: 'malote', work: 'relay' }),
        contestant('bare loop without keys', { driver: 'bare', work: 'relay' }),
      ],
    },
    {
      name: 'effects',
      title: `Effects of ${count(messages)} standing messages through the inbox, 10,000 keys`,
      columns: rateColumns,
      compare: 'peers',
      contestants: [
        contestant('malote, one file', { driver: 'malote', work: 'effects' }),
        contestant('malote, the store in another file', {
          driver: 'malote',
          work: 'effects-apart',
        }),
        contestant('bare loop in one file', { driver: 'bare', work: 'effects' }),
      ],
    },
  ];
}

export function describeOutbox({ name, rounds }: Length): Readonly<Record<string, string>> {
  return {
    message: '209 bytes of JSON, its effect a row of two values',
    load: 'concurrency 1,000, one process; the bare loops take 1,000 messages per commit',
    length: `${name}: ${rounds} rounds in turns, each until nothing is left`,
    proof: 'the target holds every message; every effect is there once',
    durability: 'WAL, synchronous=FULL, for all',
  };
}
