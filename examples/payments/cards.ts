/**
 * Stands in for a card processor. It takes a moment, and the cents say what it makes of an amount:
 * `.13` is declined, `.17` goes through at the third attempt, `.66` never does.
 */
import { setTimeout } from 'node:timers/promises';

/** For good: no later attempt is any better. */
export class CardDeclined extends Error {}

export interface Charge {
  readonly amount: string;
  readonly currency: string;
}

const flakyAttempts = 2;

/** @throws CardDeclined */
export async function chargeCard(
  { amount, currency }: Charge,
  { attempt, signal }: { readonly attempt: number; readonly signal: AbortSignal },
): Promise<void> {
  await setTimeout(Math.random() * 20, undefined, { signal });
  if (amount.endsWith('.13'))
    throw new CardDeclined(`the card was declined: ${amount} ${currency}`);
  const isFlaky = amount.endsWith('.17') && attempt <= flakyAttempts;
  if (isFlaky || amount.endsWith('.66')) throw new Error('the card processor did not answer');
}
