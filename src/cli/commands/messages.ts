/** `malote messages show ID`: the life of a message, in each subscription that has it. */

import type { MessageView } from '../../index.ts';
import type { Command } from '../command.ts';
import { outboxName, unknownMessage } from '../not-dead.ts';
import { time } from '../output.ts';

export const messagesShow: Command = {
  words: ['messages', 'show'],
  about: 'the life of a message (not on RabbitMQ)',
  operands: [{ name: 'ID', about: 'the id of a message' }],
  options: {},
  examples: ['messages show p-1'],
  async run({ bus, given, output }) {
    const [id = ''] = given.operands;
    const views = await bus.messages.get(id);
    if (views.length === 0) throw unknownMessage(id);
    await output.data(views, () => views.flatMap(life));
    return 'done';
  },
};

type Entry = MessageView['history'][number];

function life(view: MessageView): string[] {
  const { topic, id, subscription, state, key, reason, attempts, waitingFor, readyAt } = view;
  const facts = [
    ...(attempts === null ? [] : [`attempts ${attempts}`]),
    ...(key === null ? [] : [`key ${key}`]),
    ...(waitingFor.length === 0 ? [] : [`waits for ${waitingFor.join(', ')}`]),
    ...(readyAt === null ? [] : [`ready at ${time(readyAt)}`]),
    ...(reason === null ? [] : [`reason ${reason}`]),
  ];
  return [
    subscription === outboxName
      ? `${id}: ${state === 'dead' ? 'dead in the outbox' : 'in the outbox, waits for the relay'}`
      : `${topic} ${id}: ${state} in ${subscription ?? 'no subscription yet'}`,
    ...(facts.length === 0 ? [] : [`  ${facts.join(', ')}`]),
    `  ${time(view.acceptedAt)}  accepted`,
    ...view.history
      .filter(isOfHandler)
      .map((entry) => `  ${time(entry.at)}  ${happened(entry, reason)}`),
  ];
}

/** A message that died before its handler was called was handed out, and that is all. */
function isOfHandler({ event, attempt }: Entry, at: number, history: readonly Entry[]): boolean {
  const next = history[at + 1];
  return event !== 'delivered' || next?.event !== 'died' || next.attempt >= attempt;
}

/** The reason of its death stands above. */
function happened({ event, attempt, detail }: Entry, reason: MessageView['reason']): string {
  // What waits for a fact is at no attempt, nor is what died before its handler was called.
  const isWait = event === 'parked' || event === 'woken';
  const which = isWait || attempt === 0 ? '' : `, attempt ${attempt}`;
  // Where it was thrown stands with the dead letter.
  const [first = ''] = (detail ?? '').split('\n', 1);
  const isSaid = event === 'died' && reason !== null && first.startsWith(reason);
  const more = isSaid ? first.slice(reason.length).replace(/^: /, '') : first;
  return `${event}${which}${more === '' ? '' : `: ${more}`}`;
}
