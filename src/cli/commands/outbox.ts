/** `malote outbox`: what the store holds that the engine has not confirmed yet. */

import type { Command } from '../command.ts';
import { time } from '../output.ts';

export const outbox: Command = {
  words: ['outbox'],
  about: 'how far the relay is behind: what the engine has not yet',
  operands: [],
  options: {},
  examples: ['outbox --json'],
  async run({ bus, output }) {
    const stats = await bus.outbox.stats();
    await output.data(stats, () => [
      `waiting ${stats.waiting}`,
      `since   ${time(stats.oldestAt)}`,
      `dead    ${stats.dead}`,
      `relayed ${stats.relayed}`,
    ]);
    if (stats.dead > 0) output.words('the engine refused some for good: malote dead list --outbox');
    return 'done';
  },
};
