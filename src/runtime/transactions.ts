/** `bus.transaction`: rows and messages in one commit, shared with others of the moment. */

import { MaloteError } from '../errors.ts';
import type { Outgoing } from '../transport/transport.ts';
import type { EnvelopeContext } from './envelope.ts';
import type { Events } from './events.ts';
import { checkWork, effectsOf, type InsideWork, runInside } from './inside.ts';
import type { Link } from './link.ts';

export interface TransactionsOptions<Tx> {
  readonly link: Link<Tx>;
  readonly events: Events;
  readonly envelope: EnvelopeContext;
}

export function createTransactions<Tx>({ link, events, envelope }: TransactionsOptions<Tx>): {
  transaction<Answer>(work: InsideWork<Tx, Answer>): Promise<Answer>;
} {
  async function transaction(work: unknown): Promise<unknown> {
    checkWork(work);
    const transport = await link.open();
    let answer: unknown;
    let staged: readonly Outgoing[] = [];
    const outcome = await effectsOf(transport).run({
      receipt: null,
      delivery: null,
      work(tx) {
        ({ answer, staged } = runInside(work as never, tx, envelope));
        return { publish: staged, opens: [] };
      },
    });
    if (outcome.kind === 'failed') throw outcome.error;
    if (outcome.kind === 'full') throw subscriptionFull();
    for (const { id, topic } of staged) events.emit({ kind: 'published', id, type: topic });
    return answer;
  }

  return { transaction: (work) => transaction(work) as Promise<never> };
}

export function subscriptionFull(): MaloteError {
  return new MaloteError(
    'QUEUE_FULL',
    'a subscription that the transaction publishes to holds maxDepth messages; nothing of it was ' +
      'stored. Try again later',
  );
}
