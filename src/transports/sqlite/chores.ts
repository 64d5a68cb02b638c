/**
 * Work that one transaction should not do at once, such as waking a hundred thousand lanes: a row
 * in `ml_chore` says what is left, and every turn of any process does one bounded step of it.
 *
 * | kind   | name  | subject      | step                                                   |
 * | ------ | ----- | ------------ | ------------------------------------------------------ |
 * | wake   | fact  | 0            | looks at the next lanes that wait for the fact         |
 * | divert | key   | lane         | moves the next messages of the lane to the dead letters |
 * | reopen | ''    | lane         | puts the next dead letters of the lane back in their places |
 * | adopt  | ''    | 0            | hands kept messages to the subscriptions that adopt them |
 * | forget | ''    | subscription | removes what a forgotten subscription still holds      |
 * | sweep  | ''    | 0            | forgets repetitions, receipts and past messages in time |
 */

import type { Ledger } from './ledger.ts';
import type { Session } from './session.ts';

export type ChoreKind = 'wake' | 'divert' | 'reopen' | 'adopt' | 'forget' | 'sweep';

export interface Chore {
  readonly kind: ChoreKind;
  readonly name: string;
  readonly subject: number;
}

/** How many rows a step looks at. */
export const stepRows = 250;

/** What is left after a step: where to go on, or nothing. */
export type Step = (session: Session, chore: Chore, position: number) => number | null;

export function addChore(ledger: Ledger, chore: Chore, position = 0): void {
  ledger.chores.add.run(chore.kind, chore.name, chore.subject, position);
  ledger.hasChores = true;
}

export function dropChore(ledger: Ledger, { kind, name, subject }: Chore): void {
  ledger.chores.drop.run(kind, name, subject);
}

export function hasChore(ledger: Ledger, { kind, name, subject }: Chore): boolean {
  return ledger.chores.known.get(kind, name, subject) !== undefined;
}

/** Does a step of the chore after the last one looked at; answers whether any is left. */
export function doChores(session: Session, steps: Readonly<Record<ChoreKind, Step>>): void {
  const { ledger } = session;
  let found = ledger.chores.next.get(session.lastChore);
  if (found === undefined && session.lastChore > 0) found = ledger.chores.next.get(0);
  if (found === undefined) {
    session.lastChore = 0;
    ledger.hasChores = false;
    return;
  }
  const [number, kind, name, subject, position] = found;
  session.lastChore = number;
  ledger.stirred = true;
  const next = steps[kind as ChoreKind](
    session,
    { kind: kind as ChoreKind, name, subject },
    position,
  );
  if (next === null) ledger.chores.remove.run(number);
  else ledger.chores.advance.run(next, number);
}
