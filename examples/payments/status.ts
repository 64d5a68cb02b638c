/** Where a payment stands, as its rows and its message tell, on every engine. */
import type { Bus, DeadLetter } from 'malote';
import type { Database, Payment } from './database.ts';
import { customer } from './messages.ts';

export type Status =
  | { readonly status: 'accepted' }
  | { readonly status: 'booked'; readonly amountEur: string }
  | { readonly status: 'waiting' | 'declined' | 'dead'; readonly reason: string };

export interface Sight {
  readonly bus: Bus;
  readonly database: Database;
}

/** The subscription that registers customers, and the one that books payments. */
export const crm = 'crm';
export const ledger = 'ledger';

/** Pauses between looks, in milliseconds: 0.6 s in all. */
const pausesMs = [10, 20, 40, 80, 160, 320];

/**
 * As {@link statusOf}, but waits a moment for a payment that is on its way: who asks right after
 * paying, or after the customer was registered, hears how it went.
 */
export async function settledStatusOf(
  payment: Payment,
  { pause, ...sight }: Sight & { pause(ms: number): Promise<unknown> },
): Promise<Status> {
  let status = await statusOf(payment, sight);
  for (const ms of pausesMs) {
    if (status.status !== 'accepted') break;
    await pause(ms);
    status = await statusOf(payment, sight);
  }
  return status;
}

export async function statusOf(
  { id, customerId }: Payment,
  { bus, database }: Sight,
): Promise<Status> {
  const booking = database.findBooking(id);
  if (booking !== undefined) return { status: 'booked', amountEur: booking.amountEur };
  const letter = (await bus.dead.get(id)).find(({ subscription }) => subscription === ledger);
  if (letter !== undefined) return deathOf(letter);
  // Once the customer is written, the wait is over in a moment.
  if (!database.isRegistered(customerId) && (await isAwaited(customerId, bus))) {
    return { status: 'waiting', reason: `waits for customer ${customerId} to be registered` };
  }
  return { status: 'accepted' };
}

/** Whether anything waits for this customer: then every later payment is behind it. */
async function isAwaited(customerId: string, bus: Bus): Promise<boolean> {
  const { items } = await bus.waiting.list({ for: customer(customerId), limit: 1 });
  return items.length > 0;
}

function deathOf({ reason, lastFailure }: DeadLetter): Status {
  const failure = lastFailure?.message;
  if (reason === 'gave-up') return { status: 'declined', reason: failure ?? 'card declined' };
  return { status: 'dead', reason: failure === undefined ? reason : `${reason}: ${failure}` };
}
