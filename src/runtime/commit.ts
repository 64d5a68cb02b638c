/**
 * How an attempt with an inbox stores its effect: what the handler's function writes and
 * publishes, what was staged before, and that the message is done, in one step.
 *
 * What it came to is written down in the turn of the commit, before anything else can happen to
 * the attempt: from then on its outcome is decided, whatever the handler still does.
 */

import { MaloteError } from '../errors.ts';
import type { EffectOutcome } from '../transport/effects.ts';
import type { Delivery, FactId, Outgoing } from '../transport/transport.ts';
import type { AttemptContext } from './context.ts';
import type { EnvelopeContext } from './envelope.ts';
import type { Inbox } from './inbox.ts';
import { runInside } from './inside.ts';
import { subscriptionFull } from './transactions.ts';

/** An attempt, as far as this goes. */
export interface Committing {
  readonly delivery: Delivery;
  readonly context: AttemptContext;
  /** Why its outcome is already decided although the handler has not answered. */
  interruption: 'none' | 'timed-out' | 'lease-lost' | 'stopping';
  /** What its inbox has decided, whatever its handler still does. */
  effect: StoredEffect | null;
  /** Concluded: whatever comes later is ignored. */
  over: boolean;
}

/** `stored`: now. `known`: before. `fenced`: another process has the message. */
export interface StoredEffect {
  readonly kind: 'stored' | 'known' | 'fenced';
  readonly opens: readonly FactId[];
}

export interface Commit {
  readonly inbox: Inbox;
  readonly envelope: EnvelopeContext;
  work(inside: unknown): unknown;
  /** What the consumer and the handler open. */
  opens(): readonly FactId[];
}

/** Rejects unless the effect was stored, with what the handler is to be told. */
export async function commit(attempt: Committing, options: Commit): Promise<unknown> {
  const { context, delivery } = attempt;
  await context.sealing;
  let answer: unknown;
  let opens: readonly FactId[] = nothing;
  const outcome = await options.inbox.run(delivery, (tx) => {
    checkGoesOn(attempt);
    const envelope = { ...options.envelope, causation: delivery.id };
    return context.during(() => {
      const left = runInside((inside) => options.work(inside), tx, envelope);
      ({ answer } = left);
      opens = options.opens();
      return { publish: [...(context.staged ?? noMessages), ...left.staged], opens };
    });
  });
  if (outcome.kind === 'done') {
    context.end();
    attempt.effect = { kind: 'stored', opens };
    return answer;
  }
  throw refusal(attempt, outcome);
}

const nothing: readonly FactId[] = [];
const noMessages: readonly Outgoing[] = [];

function refusal(attempt: Committing, outcome: Exclude<EffectOutcome, { kind: 'done' }>): unknown {
  switch (outcome.kind) {
    case 'known':
      attempt.effect = outcome;
      return about(attempt, 'ALREADY_PROCESSED', 'the message was processed before; it is done');
    case 'fenced':
      attempt.effect = { kind: 'fenced', opens: nothing };
      return leaseLost(attempt);
    case 'full':
      return subscriptionFull();
    case 'failed':
      return outcome.error;
  }
}

/** Asked in the transaction: nothing comes between the answer and the commit. */
function checkGoesOn(attempt: Committing): void {
  const { interruption, over, context } = attempt;
  if (interruption === 'lease-lost') throw leaseLost(attempt);
  if (interruption === 'timed-out') {
    throw about(attempt, 'TIMED_OUT', 'the time-out came before the commit; nothing was stored');
  }
  if (over || context.decision !== null) {
    throw about(attempt, 'ATTEMPT_OVER', 'the attempt ended before the commit; nothing was stored');
  }
}

function leaseLost(attempt: Committing): MaloteError {
  return about(attempt, 'LEASE_LOST', 'another process has the message; nothing was stored');
}

function about({ delivery }: Committing, code: MaloteError['code'], sentence: string): MaloteError {
  return new MaloteError(code, `ctx.transaction: ${sentence}`, { id: delivery.id });
}
