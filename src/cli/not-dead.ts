/** What is said of messages that were meant as dead letters and are none. */

import { type MessageView, MaloteError } from '../index.ts';
import type { Call } from './command.ts';

/** As the views of what waits in the outbox name it. */
export const outboxName = 'malote.outbox';

/** As many are looked at: more of them are a mistake of another kind. */
const mostNamed = 10;

/** Tells what is known of them, where the engine finds a message by its id. */
export async function notDead(
  { bus, config }: Pick<Call, 'bus' | 'config'>,
  ids: readonly string[],
): Promise<MaloteError> {
  const [id = '', ...others] = ids;
  if (others.length > mostNamed) return notFound('none of these messages is dead');
  if (!config.engine.capabilities.lookup) {
    return notFound(
      others.length > 0 ? 'none of these messages is dead' : `message "${id}" is not dead`,
    );
  }
  const sentences: string[] = [];
  for (const one of new Set(ids)) sentences.push(sentenceOf(one, await bus.messages.get(one)));
  return notFound(sentences.join('; '));
}

/** Of a message that was never there, or is forgotten. */
export function unknownMessage(id: string): MaloteError {
  return notFound(unknownSentence(id));
}

function unknownSentence(id: string): string {
  return `nothing is known of a message "${id}": never stored, or finished long ago`;
}

function sentenceOf(id: string, views: readonly MessageView[]): string {
  if (views.length === 0) return unknownSentence(id);
  const not = views.some(({ state }) => state === 'dead') ? '' : ' not dead: it is';
  return `message "${id}" is${not} ${views.map(standing).join(', ')}`;
}

function standing({ state, subscription }: MessageView): string {
  if (subscription === null) return `${state}, in no subscription yet`;
  if (subscription !== outboxName) return `${state} in ${subscription}`;
  return state === 'dead' ? 'dead in the outbox' : 'in the outbox, where it waits for the relay';
}

function notFound(sentence: string): MaloteError {
  return new MaloteError('NOT_FOUND', sentence);
}
