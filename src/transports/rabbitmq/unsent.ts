/** What is said of a message that was not stored. */

import { MaloteError } from '../../errors.ts';
import { messageOf, unsure } from './failures.ts';
import type { Publish } from './frames.ts';

/** Nothing of it was sent. */
export function unwritable(
  { key, properties: { messageId } }: Publish,
  error: unknown,
): MaloteError {
  const sentence = `what is sent to "${key}" cannot be written: ${messageOf(error)}`;
  const about = messageId === undefined ? {} : { id: messageId };
  return new MaloteError('ENGINE_FAILED', sentence, { cause: error, ...about });
}

/** It was returned, and confirmed behind that. */
export function unroutable({ exchange, key }: Publish): MaloteError {
  const where = exchange === '' ? `queue "${key}"` : `exchange "${exchange}" for "${key}"`;
  const sentence = `${where} leads nowhere; nothing was stored; what is missing is declared anew`;
  return new MaloteError('ENGINE_FAILED', sentence);
}

/** One queue of all that it leads to is enough, and the server does not say why. */
export function refused(error: unknown): MaloteError {
  const sentence = 'the server refused it in a queue that is full or has failed';
  return unsure(`${sentence}; others that it leads to may have it`, error);
}

/** Whether the server said so, and not that a channel is closed. */
export function isRefusal(error: unknown): boolean {
  return /nacked/.test(messageOf(error));
}

export function tooLarge({ body, properties }: Publish, limit: number): MaloteError {
  return new MaloteError(
    'MESSAGE_TOO_LARGE',
    `a body may have ${limit} bytes on this server (max_message_size), this one has ` +
      `${body.length}; store the content elsewhere, or raise max_message_size`,
    properties.messageId === undefined ? {} : { id: properties.messageId },
  );
}
