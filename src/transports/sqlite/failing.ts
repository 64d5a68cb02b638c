/** What calls hear of a turn that failed. */

import type { MaloteError } from '../../errors.ts';
import type { PublishOutcome } from '../../transport/transport.ts';
import type { Failure } from './calls.ts';
import type { Intake } from './turn.ts';

export interface Failures {
  readonly plain: Failure<never>;
  readonly publishing: Failure<PublishOutcome>;
}

/** An error while committing leaves open whether the messages are in the file. */
export function failureOf(error: MaloteError, isCommitting: boolean): Failures {
  const plain = { error, outcome: null, answers: false };
  const isOpen = isCommitting && error.code === 'ENGINE_FAILED';
  if (isOpen)
    return {
      plain,
      publishing: { error, outcome: { kind: 'indeterminate', error }, answers: true },
    };
  return { plain, publishing: { error, outcome: { kind: 'refused', error }, answers: false } };
}

/** Ends the calls that the turn has worked on; answers whether there was any. */
export function failTouched(intake: Intake, { plain, publishing }: Failures): boolean {
  const { commands, marks, settlements, publishes } = intake;
  let any = publishes.fail(publishing);
  for (const calls of [commands, marks, settlements]) any = calls.fail(plain) || any;
  return any;
}

/** Ends the calls whose time is over. */
export function expireCalls(intake: Intake, now: number, error: MaloteError): void {
  const { plain, publishing } = failureOf(error, false);
  const { commands, marks, settlements, publishes } = intake;
  for (const calls of [commands, marks, settlements]) calls.expire(now, plain);
  publishes.expire(now, publishing);
}
