/** What a message is kept with where its handler threw nothing: the sentences are malote's own. */

import { MaloteError } from '../errors.ts';
import type { Failure } from '../message/life.ts';
import { shownNeeds } from '../message/need.ts';
import type { Delivery } from '../transport/transport.ts';

export const crashed: Failure = {
  name: 'Crashed',
  message: 'its process died while it ran, alone',
};

/** As many are named; who looks for all of a thousand finds them in the message. */
const namedFacts = 5;

export function waitedInVain({ lacking }: Delivery): Failure {
  const named = shownNeeds(lacking.slice(0, namedFacts)).join(', ');
  const rest = lacking.length - namedFacts;
  const more = rest > 0 ? ` and ${rest} more` : '';
  return { name: 'DependencyTimeout', message: `waited for ${named}${more} until its deadline` };
}

/** What its signal is aborted with, and what it is kept with. */
export function timedOut({ id, attempt }: Delivery, timeoutMs: number): MaloteError {
  const sentence = `attempt ${attempt} took longer than its time-out of ${timeoutMs} ms`;
  return new MaloteError('TIMED_OUT', sentence, { id });
}

export function retryAsked(reason: string): Failure {
  return { name: 'RetryAsked', message: reason };
}

export function byHand(reason: string): Failure {
  return { name: 'ByHand', message: reason };
}
