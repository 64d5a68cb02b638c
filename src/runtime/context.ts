/**
 * What a handler is given beside its message. What it asks for by throwing (`waitFor`, `retryIn`,
 * `deadLetter`, `release`) is written down before the throw, so that it holds even when the
 * handler's own code catches it.
 */

import { MaloteError } from '../errors.ts';
import { type DependencyKey, factsOf } from '../message/dependency.ts';
import { type Duration, toMs } from '../message/duration.ts';
import type { InputOf, MessageType } from '../message/message.ts';
import type { Delivery, Outgoing } from '../transport/transport.ts';
import { type EnvelopeContext, type PublishOptions, seal } from './envelope.ts';
import { reasonOf } from '../message/failure.ts';
import type { HandlerLog, Logger } from './log.ts';
import type { Published } from './publisher.ts';

/** What the handler decided by one of the `never` methods. */
export type Decision =
  | { readonly kind: 'park'; readonly facts: readonly string[] }
  | { readonly kind: 'retry'; readonly afterMs: number; readonly reason: string }
  | { readonly kind: 'dead-letter'; readonly reason: string }
  | { readonly kind: 'release'; readonly afterMs: number };

/** Thrown to leave the handler; carries nothing, the decision is already taken. */
class Leave extends Error {
  override readonly name = 'Leave';
}

export type StagedOptions = Omit<PublishOptions, 'tx' | 'wait' | 'signal'>;

/** The second argument of a handler. */
export interface HandlerContext {
  readonly id: string;
  /** 1 for the first; crashes and time-outs count. */
  readonly attempt: number;
  /** Aborted at the time-out, when the lease is lost, and when a stop runs out of patience. */
  readonly signal: AbortSignal;
  /** Lines carry the message's id, type, subscription and attempt. */
  readonly log: HandlerLog;
  /** Grows with every hand-over of this message or key: refuse writes that carry a smaller one. */
  readonly fence: number;
  /** Stages a message: stored together with the ack, never if the attempt fails. */
  publish<Type extends MessageType>(
    type: Type,
    data: InputOf<Type>,
    options?: StagedOptions,
  ): Promise<Published>;
  /** Opens facts together with the ack. */
  fulfil(...keys: readonly DependencyKey[]): void;
  /** Parks the message until all of the facts hold: no attempt spent, no slot held. */
  waitFor(...keys: readonly DependencyKey[]): never;
  /** Fails this attempt, with this delay instead of the policy's. */
  retryIn(delay: Duration, reason?: string): never;
  /** Sends the message to the dead letters, with reason `by-hand`. */
  deadLetter(reason: string): never;
  /** Gives the message back, its attempt unspent. */
  release(delay?: Duration): never;
}

/** The context of one attempt; the runtime reads what was staged and decided. */
export class AttemptContext implements HandlerContext {
  readonly #delivery: Delivery;
  readonly #logger: Logger;
  readonly #envelope: EnvelopeContext;
  #controller: AbortController | undefined;
  #log: HandlerLog | undefined;
  #isOver = false;
  /** Staged messages whose schema is still at work. */
  sealing: Promise<unknown> | null = null;
  decision: Decision | null = null;
  staged: Outgoing[] | null = null;
  opened: string[] | null = null;

  constructor(delivery: Delivery, logger: Logger, envelope: EnvelopeContext) {
    this.#delivery = delivery;
    this.#logger = logger;
    this.#envelope = envelope;
  }

  get id(): string {
    return this.#delivery.id;
  }

  get attempt(): number {
    return this.#delivery.attempt;
  }

  get fence(): number {
    return this.#delivery.lease.token;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }

  get log(): HandlerLog {
    const { id, topic, subscription, attempt } = this.#delivery;
    this.#log ??= this.#logger.child({ id, type: topic, subscription, attempt });
    return this.#log;
  }

  abort(reason: MaloteError): void {
    this.#controller ??= new AbortController();
    this.#controller.abort(reason);
  }

  /** Staged before the call returns where the schema is synchronous; else the ack waits for it. */
  publish<Type extends MessageType>(
    type: Type,
    data: InputOf<Type>,
    options?: StagedOptions,
  ): Promise<Published> {
    try {
      if (this.#isOver) throw this.#over();
      const envelope = { ...this.#envelope, causation: this.#delivery.id };
      const sealed = seal(type, data, options, envelope);
      if (!(sealed instanceof Promise)) return Promise.resolve(this.#stage(sealed));
      const staged = sealed.then((outgoing) => this.#stage(outgoing));
      const earlier = this.sealing;
      this.sealing = earlier === null ? staged : Promise.all([earlier, staged]);
      return staged;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #stage(outgoing: Outgoing): Published {
    if (this.#isOver) throw this.#over();
    this.staged ??= [];
    this.staged.push(outgoing);
    return { id: outgoing.id, duplicate: false };
  }

  fulfil(...keys: readonly DependencyKey[]): void {
    if (this.#isOver) throw this.#over();
    this.opened ??= [];
    this.opened.push(...factsOf(keys));
  }

  /** The attempt was concluded: what is asked for from now on comes too late. */
  end(): void {
    this.#isOver = true;
  }

  #over(): MaloteError {
    const sentence = 'ctx was used after the attempt had ended; await what the handler starts';
    return new MaloteError('ATTEMPT_OVER', sentence, { id: this.id });
  }

  waitFor(...keys: readonly DependencyKey[]): never {
    const facts = factsOf(keys);
    if (facts.length === 0) {
      throw new MaloteError('OPTION_INVALID', 'ctx.waitFor needs at least one dependency key');
    }
    return this.#leave({ kind: 'park', facts });
  }

  retryIn(delay: Duration, reason = 'the handler asked for it'): never {
    return this.#leave({
      kind: 'retry',
      afterMs: toMs(delay, 'ctx.retryIn'),
      reason: reasonOf(reason),
    });
  }

  deadLetter(reason: string): never {
    return this.#leave({ kind: 'dead-letter', reason: reasonOf(reason) });
  }

  release(delay: Duration = 0): never {
    return this.#leave({ kind: 'release', afterMs: toMs(delay, 'ctx.release') });
  }

  #leave(decision: Decision): never {
    this.decision ??= decision;
    throw new Leave('the handler left by ctx; catching this changes nothing');
  }
}

export function isLeave(error: unknown): boolean {
  return error instanceof Leave;
}
