/** What calls hear of a turn that failed. */

import type { Clock } from '../../clock.ts';
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

/** Those that anybody waits for. */
export function callsOf(intake: Intake): readonly [...ReturnType<typeof plainOf>, Publishes] {
  return [...plainOf(intake), intake.publishes];
}

type Publishes = Intake['publishes'];

function plainOf({
  commands,
  marks,
  effects,
  settlements,
}: Intake): [Intake['commands'], Intake['marks'], Intake['effects'], Intake['settlements']] {
  return [commands, marks, effects, settlements];
}

/** Ends the calls that the turn has worked on; answers whether there was any. */
export function failTouched(intake: Intake, { plain, publishing }: Failures): boolean {
  let any = intake.publishes.fail(publishing);
  for (const calls of plainOf(intake)) any = calls.fail(plain) || any;
  return any;
}

/** Ends the calls whose time is over. */
export function expireCalls(intake: Intake, now: number, error: MaloteError): void {
  const { plain, publishing } = failureOf(error, false);
  for (const calls of plainOf(intake)) calls.expire(now, plain);
  intake.publishes.expire(now, publishing);
}

/** While one turn after the other fails. */
export interface Standstill {
  /** The host was told of it. */
  isTold: boolean;
  begin(): void;
  end(): void;
  /**
   * Ends the calls that are older than a lease, where it has lasted as long. What is that old
   * because others were worked off before it is about to have its turn.
   */
  expire(error: MaloteError): void;
}

export function createStandstill(
  intake: Intake,
  { clock, leaseMs }: { readonly clock: Clock; readonly leaseMs: number },
): Standstill {
  let since: number | null = null;
  return {
    isTold: false,
    begin() {
      since ??= clock.monotonic();
    },
    end() {
      since = null;
      this.isTold = false;
    },
    expire(error) {
      const now = clock.monotonic();
      if (since !== null && now - since >= leaseMs) expireCalls(intake, now, error);
    },
  };
}
