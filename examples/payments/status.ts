/** Where a payment stands, as its rows and its message tell. */
import type { Bus } from 'malote';
import type { Database, Payment } from './database.ts';
import { customer } from './messages.ts';

export type Status =
  | { readonly status: 'accepted' | 'booked' }
  | { readonly status: 'waiting' | 'declined' | 'dead'; readonly reason: string };

/** The subscription that books payments. */
export const ledger = 'ledger';

export async function statusOf(
  { id, customerId }: Payment,
  { bus, database }: { readonly bus: Bus; readonly database: Database },
): Promise<Status> {
  const views = await bus.messages.get(id);
  const message = views.find(({ subscription }) => subscription === ledger);
  // Asked after the message: a payment is booked before its message is done, never the reverse.
  if (database.isBooked(id)) return { status: 'booked' };
  if (message?.state === 'dead') return await deathOf(id, bus);
  const isHeldUp = message?.state === 'waiting' || message?.state === 'ready';
  if (isHeldUp && (await isAwaited(customerId, bus))) {
    return { status: 'waiting', reason: `waits for customer ${customerId} to be registered` };
  }
  return { status: 'accepted' };
}

/** Whether anything waits for this customer: then every later payment is behind it. */
async function isAwaited(customerId: string, bus: Bus): Promise<boolean> {
  const page = { subscription: ledger, for: customer(customerId), limit: 1 };
  return (await bus.waiting.list(page)).items.length > 0;
}

async function deathOf(id: string, bus: Bus): Promise<Status> {
  const letters = await bus.dead.get(id);
  const letter = letters.find(({ subscription }) => subscription === ledger);
  const failure = letter?.lastFailure?.message;
  if (letter?.reason === 'gave-up')
    return { status: 'declined', reason: failure ?? 'card declined' };
  const reason = letter?.reason ?? 'dead';
  return { status: 'dead', reason: failure === undefined ? reason : `${reason}: ${failure}` };
}
