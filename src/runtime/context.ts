/**
 * What a handler is given beside its message. What it asks for by throwing (`waitFor`, `retryIn`,
 * `deadLetter`, `release`) is written down before the throw, so that it holds even when the
 * handler's own code catches it.
 */

import { isInstance, MaloteError } from '../errors.ts';
import { type AnyOf, type DependencyKey, factsOf, needsOf } from '../message/dependency.ts';
import { type Duration, toMs } from '../message/duration.ts';
import type { InputOf, MessageType } from '../message/message.ts';
import type { Delivery, Outgoing } from '../transport/transport.ts';
import { reasonOf } from '../message/failure.ts';
import { checkStagedOptions, type EnvelopeContext, seal } from './envelope.ts';
import { checkWork, type InsideWork, type StagedOptions } from './inside.ts';
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

/** The second argument of a handler. */
export interface HandlerContext<Tx = unknown> {
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
  /**
   * With an inbox: what the function writes and publishes, what was staged before, the knowledge
   * that this message was processed, and (where messages are in the same database) its ack are
   * stored together, once, whatever fails. Many share one commit, each may fail alone. Do slow
   * work first: the function is synchronous. What it throws undoes it and rejects here.
   *
   * It commits at most once per delivery. Once it has resolved the message is done, whatever the
   * handler does afterwards; a call that rejected with what the function threw has done nothing,
   * and may be made again. One at a time: another one that comes meanwhile is refused.
   *
   * @throws MaloteError `ALREADY_PROCESSED`, `ATTEMPT_OVER`, `LEASE_LOST`, `TIMED_OUT`
   * @throws MaloteError `QUEUE_FULL`, `OPTION_INVALID`
   * @throws MaloteError `CAPABILITY_MISSING` on a consumer without `inbox`
   */
  transaction<Answer>(work: InsideWork<Tx, Answer>): Promise<Answer>;
  /** Opens facts together with the ack. */
  fulfil(...keys: readonly DependencyKey[]): void;
  /** Parks the message until all of the facts hold: no attempt spent, no slot held. */
  waitFor(...keys: readonly (DependencyKey | AnyOf)[]): never;
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
  /** Set where there is an inbox. */
  commit: ((work: (inside: never) => unknown) => Promise<unknown>) | null = null;
  /** A transaction that is under way: where the handler has not awaited it the attempt does. */
  committing: Promise<unknown> | null = null;

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
      checkStagedOptions('ctx.publish', options);
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

  transaction<Answer>(work: InsideWork<unknown, Answer>): Promise<Answer> {
    try {
      checkWork(work);
      if (this.commit === null) throw this.#withoutInbox();
      if (this.#isOver) throw this.#over();
      if (this.committing !== null) throw this.#committing();
    } catch (error) {
      return Promise.reject(error);
    }
    const running = this.commit(work).finally(() => {
      this.committing = null;
    });
    this.committing = running;
    return running as Promise<Answer>;
  }

  /** What `run` stages and opens is there for it alone: it may be undone, and run again. */
  during<Answer>(run: () => Answer): Answer {
    const { length: staged } = this.staged ?? [];
    const { length: opened } = this.opened ?? [];
    try {
      return run();
    } finally {
      if (this.staged !== null) this.staged.length = staged;
      if (this.opened !== null) this.opened.length = opened;
    }
  }

  #withoutInbox(): MaloteError {
    const { subscription } = this.#delivery;
    return new MaloteError(
      'CAPABILITY_MISSING',
      `ctx.transaction needs an inbox; consume "${subscription}" with inbox: true`,
      { id: this.id },
    );
  }

  fulfil(...keys: readonly DependencyKey[]): void {
    if (this.#isOver) throw this.#over();
    this.opened ??= [];
    this.opened.push(...factsOf(keys));
  }

  /** The attempt was concluded: what is asked for from now on comes too late. */
  end(): void {
    this.#isOver = true;
    // Of a handler that has ended without it nobody may be left to hear that it was refused.
    this.committing?.catch(() => {});
  }

  #over(): MaloteError {
    const sentence = 'ctx was used after the attempt had ended; await what the handler starts';
    return new MaloteError('ATTEMPT_OVER', sentence, { id: this.id });
  }

  #committing(): MaloteError {
    const sentence = 'ctx.transaction was called while an earlier call was under way; await that';
    return new MaloteError('ATTEMPT_OVER', sentence, { id: this.id });
  }

  waitFor(...keys: readonly (DependencyKey | AnyOf)[]): never {
    const facts = needsOf(keys);
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
  return isInstance(error, Leave);
}
