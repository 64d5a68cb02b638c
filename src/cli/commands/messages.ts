/** `malote messages show ID`: the life of a message, in each subscription that has it. */

import { MaloteError, type MessageView } from '../../index.ts';
import type { Command } from '../command.ts';
import { time } from '../output.ts';

/** As the views of what waits there name it. */
const outbox = 'malote.outbox';

export const messagesShow: Command = {
  words: ['messages', 'show'],
  about: 'the life of a message',
  operands: [{ name: 'ID', about: 'the id of a message' }],
  options: {},
  examples: ['messages show p-1'],
  async run({ bus, given, output }) {
    const [id = ''] = given.operands;
    const views = await bus.messages.get(id);
    await output.data(views, () => views.flatMap(life));
    if (views.length > 0) return 'done';
    const sentence = `nothing is known of a message "${id}": never stored, or finished long ago`;
    throw new MaloteError('NOT_FOUND', sentence);
  },
};

function life(view: MessageView): string[] {
  const { topic, id, subscription, state, key, reason, attempts, waitingFor, readyAt } = view;
  const facts = [
    `attempts ${attempts}`,
    ...(key === null ? [] : [`key ${key}`]),
    ...(waitingFor.length === 0 ? [] : [`waits for ${waitingFor.join(', ')}`]),
    ...(readyAt === null ? [] : [`ready at ${time(readyAt)}`]),
    ...(reason === null ? [] : [`reason ${reason}`]),
  ];
  return [
    subscription === outbox
      ? `${id}: ${state === 'dead' ? 'dead in the outbox' : 'in the outbox, waits for the relay'}`
      : `${topic} ${id}: ${state} in ${subscription ?? 'no subscription yet'}`,
    `  ${facts.join(', ')}`,
    `  ${time(view.acceptedAt)}  accepted`,
    ...view.history.map(({ at, event, attempt, detail }) => {
      // Where it was thrown stands with the dead letter.
      const more = detail === null ? '' : `: ${detail.split('\n', 1)[0]}`;
      return `  ${time(at)}  ${event}, attempt ${attempt}${more}`;
    }),
  ];
}
