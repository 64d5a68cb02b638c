/** `malote subscriptions`: how much each holds, and what stands still. */

import type { SubscriptionView } from '../../index.ts';
import type { Command } from '../command.ts';
import { type Columns, few } from '../output.ts';

type Figure = keyof SubscriptionView['stats'];

const figures: readonly Figure[] = [
  'depth',
  'ready',
  'leased',
  'retrying',
  'scheduled',
  'waiting',
  'dead',
  'done',
];

const columns: Columns<SubscriptionView> = [
  ['SUBSCRIPTION', ({ name }) => name],
  ['STATE', ({ paused }) => (paused ? 'paused' : 'open')],
  ...figures.map(
    (figure) =>
      [
        figure.toUpperCase(),
        ({ stats }: SubscriptionView) => String(stats[figure]),
        'figure',
      ] as const,
  ),
  ['CONSUMERS', ({ consumers }) => String(consumers), 'figure'],
  ['BLOCKED KEYS', ({ blockedKeys }) => few(blockedKeys)],
  ['PARTITIONS', ({ partitions }) => owners(partitions)],
];

export const subscriptions: Command = {
  words: ['subscriptions'],
  about: 'messages by state, what is paused or blocked, consumers',
  operands: [],
  options: {},
  examples: ['subscriptions', 'subscriptions --json'],
  async run({ bus, output }) {
    await output.list([await bus.subscriptions.list()], {
      none: 'there is no subscription: start a consumer, or call bus.subscribe()',
      columns,
    });
    return 'done';
  },
};

/** How many each process has: `4 of host/4711, 3 of host/4712, 1 of nobody`. */
function owners(partitions: SubscriptionView['partitions']): string {
  if (partitions === null) return '-';
  const counts = new Map<string, number>();
  for (const { owner } of partitions) {
    const name = owner === null ? 'nobody' : owner.split('/').slice(0, 2).join('/');
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].map(([name, count]) => `${count} of ${name}`).join(', ');
}
