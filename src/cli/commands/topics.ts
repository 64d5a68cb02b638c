/** `malote topics`: what is published where, as the subscriptions and the configuration know it. */

import type { Command } from '../command.ts';

interface Topic {
  readonly topic: string;
  readonly subscriptions: readonly string[];
  /** Whether the configuration has its type, so that it can be published from here. */
  readonly configured: boolean;
}

export const topics: Command = {
  words: ['topics'],
  about: 'the topics of all subscriptions and of the configuration',
  operands: [],
  options: {},
  examples: ['topics'],
  async run({ bus, config, output }) {
    const all = await bus.subscriptions.list();
    const types = new Set((config.messages ?? []).map(({ name }) => name));
    const names = new Set([...types, ...all.flatMap((one) => one.topics)]);
    const found = [...names].toSorted().map((topic): Topic => {
      const takers = all.filter((one) => one.topics.includes(topic));
      const subscriptions = takers.map(({ name }) => name);
      return { topic, subscriptions, configured: types.has(topic) };
    });
    await output.list([found], {
      none: 'there is no topic: nothing was subscribed, and the configuration has no messages',
      columns: [
        ['TOPIC', ({ topic }) => topic],
        ['SUBSCRIPTIONS', ({ subscriptions }) => subscriptions.join(', ') || '-'],
        ['CONFIGURED', ({ configured }) => (configured ? 'yes' : 'no')],
      ],
    });
    return 'done';
  },
};
