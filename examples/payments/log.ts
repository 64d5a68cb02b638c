/** What happens to messages, said in this service's words. The handlers say the rest. */
import type { TransitionEvent } from 'malote';
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
