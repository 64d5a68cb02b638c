/**
 * How a message dies, and what that does to its key.
 *
 * | `onDead` | the message               | its key                                              |
 * | -------- | ------------------------- | ---------------------------------------------------- |
 * | skip     | moves to the dead letters | goes on                                              |
 * | block    | stays at the head         | stands still until the head is redriven or cancelled |
 * | divert   | moves to the dead letters | all later ones follow it, until they are redriven    |
 *
 * Without a key there is nothing to hold: it is always `skip`.
 */

import type { Settlement } from '../../transport/transport.ts';
import { addChore } from './chores.ts';
import { laneFlag, laneState, mark, ticksOf } from './layout.ts';
import type { Standing } from './lease-book.ts';
import { type Ledger, tallyOf } from './ledger.ts';
import { type Freed, goOn, setState, takeBack } from './return.ts';
import type { Session } from './session.ts';
import { describe } from '../../message/failure.ts';
import { noteFailure, record } from './story.ts';

type Death = Extract<Settlement, { kind: 'dead-letter' }>;

export function die(session: Session, standing: Standing, death: Death): void {
  const { ledger } = session;
  const { lease, delivery } = standing;
  const { reason, failure, attempts } = death;
  const detail = failure === null ? reason : `${reason}: ${describe(failure)}`;
  if (failure !== null) noteFailure(ledger, delivery.tag, failure);
  record(ledger, delivery.tag, { event: 'died', attempt: attempts, detail });
  const { onDead } = lease.subscription;
  if (delivery.key === null || onDead === 'skip') skip(session, standing, death);
  else if (onDead === 'block') block(session, standing, death);
  else divert(session, standing, death);
}

function skip(session: Session, standing: Standing, death: Death): void {
  const { ledger } = session;
  const { lease, index, delivery } = standing;
  const { lane, isNew } = takeBack(session, lease, index);
  bury(ledger, standing, { death, lane: 0 });
  ledger.messages.remove.run(delivery.tag);
  const tally = tallyOf(ledger, lease.subscription);
  tally.ready -= 1;
  tally.dead += 1;
  if (!isNew) goOn(ledger, lane);
}

function block(session: Session, standing: Standing, death: Death): void {
  const { ledger } = session;
  const { lease, index, delivery } = standing;
  const freed = takeBack(session, lease, index);
  bury(ledger, standing, { death, lane: freed.lane });
  ledger.messages.note.run(delivery.attempt, mark.storied, delivery.tag);
  rest(ledger, freed, laneState.blocked);
  tellAbout(session, 'blocked', standing);
}

function divert(session: Session, standing: Standing, death: Death): void {
  const { ledger } = session;
  const { lease, index, delivery } = standing;
  const freed = takeBack(session, lease, index);
  bury(ledger, standing, { death, lane: freed.lane });
  ledger.messages.remove.run(delivery.tag);
  rest(ledger, freed, laneState.diverted);
  addChore(ledger, { kind: 'divert', name: delivery.key!, subject: freed.lane });
  tellAbout(session, 'diverted', standing);
}

/** The head no longer counts among the ready; the lane is out of the way. */
function rest(ledger: Ledger, freed: Freed, state: number): void {
  const readyAt = ticksOf(ledger.now, freed.head);
  setState(ledger, freed, { state, readyAt, flags: laneFlag.none, isCold: true });
  const tally = tallyOf(ledger, freed.subscription);
  tally.ready -= 1;
  tally.dead += 1;
}

function bury(
  ledger: Ledger,
  { lease, delivery }: Standing,
  { death, lane }: { readonly death: Death; readonly lane: number },
): void {
  ledger.dead.bury.run(
    delivery.tag,
    lease.subscription.number,
    lane,
    delivery.key,
    death.reason,
    death.attempts,
    ledger.now,
  );
}

function tellAbout(
  { events }: Session,
  kind: 'blocked' | 'diverted',
  { lease, delivery }: Standing,
): void {
  const { key, id } = delivery;
  events.push({ kind, subscription: lease.subscription.name, key: key!, id });
}
