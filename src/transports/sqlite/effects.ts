/**
 * Functions of the caller inside a turn, each under a savepoint. What a function throws undoes
 * what it wrote and nothing else; what it publishes, its receipt and the ack of its message go
 * with it.
 *
 * Two things get past a savepoint: `on conflict rollback`, and a deferred constraint, which
 * speaks at the commit. Then the turn is undone and goes again: without the function that did it,
 * and where nobody knows which it was, with half as many of them until one fails alone.
 */

import { MaloteError } from '../../errors.ts';
import type { Effect, EffectOutcome, Effects, Work } from '../../transport/effects.ts';
import type { Calls } from './calls.ts';
import type { CallerTransaction } from './driver.ts';
import { announce, find, recall, store } from './inbox.ts';
import { reserve } from './publish.ts';
import type { Session } from './session.ts';
import { settleOne, standingOf } from './settle.ts';
import type { Stage } from './stage.ts';

/**
 * A function ended the transaction of the whole turn, or kept it from being committed; it is
 * refused when the turn goes again, as soon as it is known.
 */
export class EndedByEffect extends Error {
  override readonly name = 'EndedByEffect';
}

export interface EffectsOptions {
  readonly calls: Calls<Effect<CallerTransaction>, EffectOutcome>;
  readonly loop: { schedule(): void; deadlineAt(): number };
  /** Throws when the connection is closed or broken. */
  check(): void;
  /** Runs something inside the next turn. */
  command<Answer>(inside: (session: Session) => Answer): Promise<Answer>;
  /** Looks at what is committed. */
  read<Answer>(look: (session: Session) => Answer): Promise<Answer>;
}

export function createEffects(options: EffectsOptions): Effects<CallerTransaction> {
  const { calls, loop, check, command, read } = options;
  return {
    async recall(arrivals) {
      if (arrivals.some(({ repeated }) => repeated)) {
        return await command((inside) => arrivals.map((arrival) => announce(inside, arrival)));
      }
      return await read((inside) => arrivals.map((arrival) => recall(inside, arrival)));
    },
    async run(effect) {
      check();
      loop.schedule();
      const [outcome] = await calls.push([effect], loop.deadlineAt());
      return outcome!;
    },
  };
}

/** @param serial - of the call, see {@link settleOne} */
export function effectOne(
  session: Session,
  effect: Effect<CallerTransaction>,
  serial: number,
): EffectOutcome {
  const { stage, inbox } = session;
  const { delivery, receipt } = effect;
  const broken = stage.broken.get(effect);
  if (broken !== undefined) return { kind: 'failed', error: broken };
  if (delivery !== null && standingOf(session, delivery) === null) return { kind: 'fenced' };
  const found = receipt === null ? null : find(session, receipt);
  if (found !== null && found.kind !== 'new') return found;
  inbox.savepoint.run();
  const outcome = attempt(session, effect, serial);
  if (outcome.kind === 'done') stage.done.push(effect);
  else inbox.undo.run();
  inbox.release.run();
  return outcome;
}

function attempt(
  session: Session,
  effect: Effect<CallerTransaction>,
  serial: number,
): EffectOutcome {
  const { stage } = session;
  let work: Work;
  try {
    work = stage.during(() => effect.work(stage.tx));
  } catch (error) {
    if (!stage.db.isTransaction) throw ended(stage, effect, error);
    return { kind: 'failed', error };
  }
  if (!stage.db.isTransaction) throw ended(stage, effect, null);
  try {
    const refusal = conclude(session, effect, { work, serial });
    if (refusal !== null) return refusal;
  } catch (error) {
    if (error instanceof MaloteError) return { kind: 'failed', error };
    throw error;
  }
  if (effect.receipt !== null) store(session, effect.receipt, work.opens);
  return { kind: 'done' };
}

/** Acks and publishes; a refusal has changed nothing. */
function conclude(
  session: Session,
  { delivery }: Effect<CallerTransaction>,
  { work, serial }: { readonly work: Work; readonly serial: number },
): EffectOutcome | null {
  const { publish, opens } = work;
  if (delivery === null) {
    if (!reserve(session, publish, null)) return { kind: 'full' };
    for (const outgoing of publish) session.staged.push({ outgoing, serial });
    return null;
  }
  switch (settleOne(session, { kind: 'ack', delivery, opens, publish }, serial)) {
    case 'settled':
    case 'not-parked':
      return null;
    case 'full':
      return { kind: 'full' };
    case 'lease-lost':
      return { kind: 'fenced' };
  }
}

/** A constraint refused the commit of `done`: of one alone it was the fault. */
export function spoiledCommit({ done, broken }: Stage, error: unknown): EndedByEffect {
  if (done.length === 1) broken.set(done[0]!, error);
  return new EndedByEffect(String(error));
}

function ended(stage: Stage, effect: Effect<CallerTransaction>, cause: unknown): EndedByEffect {
  const error = new MaloteError(
    'ENGINE_FAILED',
    'the function ended the transaction that it shares with others, as "on conflict rollback" ' +
      'does; nothing of it was stored',
    { cause },
  );
  stage.broken.set(effect, error);
  return new EndedByEffect(error.message);
}
