/** `malote outbox`: what the store holds that the engine has not confirmed yet. */

import type { Command } from '../command.ts';
import { few, time } from '../output.ts';

export const outbox: Command = {
  words: ['outbox'],
  about: 'how far the relay is behind: what the engine has not yet',
  operands: [],
  options: {},
  examples: ['outbox --json'],
  async run({ bus, output }) {
    const stats = await bus.outbox.stats();
    const isBlocked = stats.blockedKeys.length > 0;
    await output.data(stats, () => [
      `waiting ${stats.waiting}`,
      `since   ${time(stats.oldestAt)}`,
      `dead    ${stats.dead}`,
      `relayed ${stats.relayed}`,
      ...(isBlocked ? [`blocked ${few(stats.blockedKeys)}`] : []),
    ]);
    if (stats.dead > 0) output.words('the engine refused some for good: malote dead list --outbox');
    if (isBlocked) output.words('a blocked key goes on after: malote dead redrive --outbox ID');
    return 'done';
  },
};
