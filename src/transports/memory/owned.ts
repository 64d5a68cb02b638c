/** Whose bytes a body is. */

import type { Outgoing } from '../../transport/transport.ts';

/** The message with bytes of its own: the caller may use its own again once a publish answered. */
export function owned(message: Outgoing): Outgoing {
  if (typeof message.body === 'string') return message;
  return { ...message, body: new Uint8Array(message.body) };
}
