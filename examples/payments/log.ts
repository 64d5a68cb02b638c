/** What happens to messages, said in this service's words. The handlers say the rest. */
import type { PinoLike, TransitionEvent } from 'malote';
import { ledger } from './status.ts';

export function sayWhatHappens(event: TransitionEvent): void {
  if (event.kind === 'relayed') {
    const more = event.messages - event.ids.length;
    console.log(`Published messages: [${event.ids.join(', ')}${more > 0 ? `, ${more} more` : ''}]`);
  }
  if (event.kind === 'waiting' && event.subscription === ledger) {
    const customer = event.facts.join(', ').replaceAll('customer:', '');
    console.log(`Payment ${event.id} waits for customer ${customer} to be registered`);
  }
}

/** What malote warns of, a line each. Where an error was thrown stands with its message. */
export const logger: PinoLike = {
  debug: () => {},
  info: () => {},
  warn: (fields, sentence) => console.error(lineOf(fields, sentence)),
  error: (fields, sentence) => console.error(lineOf(fields, sentence)),
  isLevelEnabled: (level) => level === 'warn' || level === 'error',
};

interface Told {
  readonly id?: string;
  readonly cache?: string;
  readonly failure?: Failed | null;
}

interface Failed {
  readonly name?: string;
  readonly code?: string;
  readonly message?: string;
}

/** `a cache could not load a value: rates: Error: the rates service answered 500`. */
function lineOf(fields: Told & Failed, sentence: string): string {
  const { code, name, message } = fields.failure ?? fields;
  const parts = [sentence, fields.id ?? fields.cache, code ?? name, message];
  return parts.filter((part) => part !== undefined).join(': ');
}
