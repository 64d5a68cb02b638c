/**
 * A function of the application inside a transaction of malote's: what it is given, and what it
 * leaves behind. Shared by `bus.transaction` and by `ctx.transaction`.
 */

import { MaloteError, optionInvalid } from '../errors.ts';
import type { InputOf, MessageType } from '../message/message.ts';
import type { Effects } from '../transport/effects.ts';
import type { Outgoing, Transport } from '../transport/transport.ts';
import { checkStagedOptions, type EnvelopeContext, type PublishOptions, seal } from './envelope.ts';
import { isThenable } from '../message/failure.ts';

export type StagedOptions = Omit<PublishOptions, 'tx' | 'wait' | 'signal'>;

/** What a function inside a transaction is given, and only until it returns. */
export interface Inside<Tx> {
  /** malote's connection: it begins and ends the transaction, others share it. */
  readonly tx: Tx;
  /** Stored with what `tx` writes, or not at all. Throws what it refuses. */
  publish<Type extends MessageType>(
    type: Type,
    data: InputOf<Type>,
    options?: StagedOptions,
  ): { readonly id: string; readonly duplicate: boolean };
}

/** Never for a promise: the transaction would be over before it is. */
export type Synchronous<Answer> = Answer extends PromiseLike<unknown> ? never : Answer;

/**
 * A function. Its `name` says nothing: with it the compiler lets a bus with transactions stand
 * where one without them is enough.
 */
export interface InsideWork<Tx, Answer> {
  (inside: Inside<Tx>): Synchronous<Answer>;
  readonly name?: string;
}

export interface Left {
  readonly answer: unknown;
  readonly staged: readonly Outgoing[];
}

/** @throws what the function throws; MaloteError `OPTION_INVALID` when it answers a promise */
export function runInside(
  work: (inside: Inside<unknown>) => unknown,
  tx: unknown,
  envelope: EnvelopeContext,
): Left {
  const staged: Outgoing[] = [];
  const inside: Inside<unknown> = {
    tx,
    publish(type, data, options) {
      checkStagedOptions('publish in a transaction', options);
      const sealed = seal(type, data, options, envelope);
      if (sealed instanceof Promise) {
        sealed.catch(() => {});
        throw asynchronousSchema(type.name);
      }
      staged.push(sealed);
      return { id: sealed.id, duplicate: false };
    },
  };
  const answer = during(() => work(inside));
  if (!isThenable(answer)) return { answer, staged };
  // Whatever becomes of it comes too late for everybody.
  Promise.resolve(answer).catch(() => {});
  throw new MaloteError(
    'OPTION_INVALID',
    'transaction must be given a synchronous function, got one that answers a promise; ' +
      'await slow work before the transaction',
  );
}

let running = 0;

/** Whether a function of some bus runs in its transaction at this moment. */
export function isInside(): boolean {
  return running > 0;
}

function during<Answer>(run: () => Answer): Answer {
  running += 1;
  try {
    return run();
  } finally {
    running -= 1;
  }
}

export function checkWork(work: unknown): void {
  if (typeof work !== 'function') throw optionInvalid('transaction', 'given a function', work);
}

/** @throws MaloteError `CAPABILITY_MISSING` */
export function effectsOf<Tx>({ effects }: Transport<Tx>): Effects<Tx> {
  if (effects !== null) return effects;
  throw new MaloteError(
    'CAPABILITY_MISSING',
    'a transaction needs a store, or an engine, that is a database',
  );
}

function asynchronousSchema(type: string): MaloteError {
  return new MaloteError(
    'OPTION_INVALID',
    `publish in a transaction: the schema of ${type} must answer at once, got a promise; ` +
      'publish it with ctx.publish before the transaction',
  );
}
