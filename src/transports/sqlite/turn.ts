/**
 * One turn: everything this process has to do at the file, in one transaction, in this order.
 *
 *  1. the fence: does this session still exist? renewals and take-overs, when they are due
 *  2. commands, such as registering a subscription
 *  3. facts, so that everything after them in this transaction sees them
 *  4. functions of the caller, each under a savepoint, with the acks that go with them
 *  5. settlements, so that what they free can be claimed and what they publish is stored
 *  6. what became due, and a step of a chore
 *  7. claims of what is ready: the oldest first, before anything new is handed over
 *  8. publishes, and those of acks, as they were called; handed over at once where nothing older
 *     is ready
 *  9. loose messages for the credit that is left
 *
 * Nothing here waits, and nothing is told to anybody: that is for after the commit.
 */

import { MaloteError } from '../../errors.ts';
import { forwardOne, type Stopped } from '../../transport/forward.ts';
import type { Effect, EffectOutcome } from '../../transport/effects.ts';
import type {
  FactChange,
  Outgoing,
  PublishOutcome,
  Settlement,
  SettleOutcome,
} from '../../transport/transport.ts';
import { type Agenda, readAgenda } from './agenda.ts';
import type { Calls, Serial } from './calls.ts';
import { doChores } from './chores.ts';
import { claimReady, claimRest, createTaker } from './claim.ts';
import { writeLeases } from './claim-loose.ts';
import { effectOne } from './effects.ts';
import { closeFact, endOverdueWaits, openFact } from './facts.ts';
import { endHoldsOf, sweepSlots } from './coordination-steps.ts';
import type { CallerTransaction } from './driver.ts';
import { promoteDue } from './later.ts';
import { closeLedger, flush, openLedger, topicOf } from './ledger.ts';
import { nameSome } from './naming.ts';
import type { Pace } from './pace.ts';
import { dropForgotten } from './return-all.ts';
import { publishOne, publishStaged } from './publish.ts';
import type { Session } from './session.ts';
import { finishSettling, settleOne } from './settle.ts';
import { choreSteps } from './chore-steps.ts';
import { planSweep } from './repetitions.ts';
import { checkFence, renew, takeOverDead, tellConsumed } from './takeover.ts';
import type { Watch } from './watch.ts';

/**
 * Something that is done once inside a turn. It refuses by throwing a MaloteError before it has
 * written anything: then only its own call rejects, and the turn goes on.
 */
export type Command = (session: Session) => unknown;

export type CommandOutcome =
  | { readonly kind: 'done'; readonly answer: unknown }
  | { readonly kind: 'refused'; readonly error: MaloteError };

export interface Intake {
  readonly serials: Serial;
  readonly commands: Calls<Command, CommandOutcome>;
  readonly marks: Calls<FactChange, null>;
  readonly effects: Calls<Effect<CallerTransaction>, EffectOutcome>;
  readonly settlements: Calls<Settlement, SettleOutcome>;
  readonly publishes: Calls<Outgoing, PublishOutcome>;
  /** The calls of `publishes` that are those of a relay, by number. */
  readonly forwards: Map<number, Stopped>;
}

export interface TurnPlan {
  readonly pace: Pick<Pace, 'limit' | 'settleLimit' | 'claimLimit' | 'effectLimit'>;
  readonly watch: Watch;
  readonly agenda: Agenda;
  /** Sessions that are known to be dead. */
  readonly gone: ReadonlySet<number>;
}

export interface TurnResult {
  /** What this session has to do by time alone, as far as it was looked at. */
  readonly agenda: Agenda;
  /** The other sessions of the file, where this turn has read them. */
  readonly peers: readonly number[] | null;
  /** Messages published, claimed and settled, together. */
  readonly operations: number;
}

export function workTurn(session: Session, intake: Intake, plan: TurnPlan): TurnResult {
  const { ledger } = session;
  const { agenda, pace } = plan;
  openLedger(ledger, session.time.now());
  const { now } = ledger;
  session.time.found(now);
  findSubscriptions(session);
  checkFence(session);
  tellConsumed(session);
  const isRenewal = now >= agenda.renewAt;
  if (isRenewal) {
    renew(session);
    planSweep(session);
    sweepSlots(session);
  }
  const isTakeOver = now >= agenda.sessionsAt || plan.gone.size > 0;
  if (isTakeOver) takeOverDead(session, plan.gone);
  endHoldsOf(session, plan.gone);
  intake.commands.work(pace.limit, (command) => execute(session, command));
  findSubscriptions(session);
  const settled = takeIn(session, intake, plan);
  const isDue = now >= agenda.dueAt;
  if (isDue) {
    promoteDue(session);
    endOverdueWaits(session);
  }
  if (ledger.hasChores) doChores(session, choreSteps);
  flush(ledger);
  claimReady(session, { limit: pace.claimLimit, isOver: plan.watch.ofKind() });
  const published = publishAll(session, intake, plan);
  flush(ledger);
  claimRest(session);
  let claimed = 0;
  for (const consumer of session.consumers) {
    writeLeases(session, consumer);
    claimed += consumer.found.lanes.length + consumer.found.loose.length;
  }
  session.isBehind = nameSome(session, 2 * pace.limit);
  closeLedger(ledger);
  return {
    agenda: readAgenda(session, { agenda, isRenewal, isTakeOver, isDue }),
    peers: isRenewal ? session.rows.others.all(session.id).flat() : null,
    operations: published + claimed + settled,
  };
}

function findSubscriptions(session: Session): void {
  const { ledger, consumers } = session;
  const { subscriptions, version } = ledger.topology;
  if (version === session.topologyVersion) return;
  session.topologyVersion = version;
  dropForgotten(session);
  for (const consumer of consumers) {
    consumer.subscription = subscriptions.get(consumer.name) ?? null;
  }
}

function execute(session: Session, command: Command): CommandOutcome {
  try {
    const answer = command(session);
    flush(session.ledger);
    return { kind: 'done', answer };
  } catch (error) {
    if (error instanceof MaloteError) return { kind: 'refused', error };
    throw error;
  }
}

/** Answers how many settlements it took in. */
function takeIn(session: Session, intake: Intake, { pace, watch }: TurnPlan): number {
  const { limit } = pace;
  const { marks, effects, settlements, publishes } = intake;
  marks.work(limit, ({ fact, state }) => {
    if (state === 'fulfilled') openFact(session, fact);
    else closeFact(session, fact);
    return null;
  });
  session.staged.length = 0;
  session.reserved.clear();
  session.stage.done.length = 0;
  // What an ack publishes may not overtake a publish that was called before: there it waits.
  let reach: number | null = null;
  effects.work(
    pace.effectLimit,
    (effect, serial) =>
      serial > (reach ??= publishes.reach(limit)) ? undefined : effectOne(session, effect, serial),
    watch.isOver,
  );
  const settled = settlements.work(
    pace.settleLimit,
    (settlement, serial) => {
      const stages = settlement.kind === 'ack' && settlement.publish.length > 0;
      if (stages && serial > (reach ??= publishes.reach(limit))) return undefined;
      return settleOne(session, settlement, serial);
    },
    watch.ofKind(),
  );
  finishSettling(session);
  return settled;
}

interface BatchedPublish {
  readonly outgoing: Outgoing;
  readonly serial: number;
  publish(outgoing: Outgoing): PublishOutcome;
}

/**
 * A batch may take several turns. Room that is made between them is not for its later messages:
 * they would go past the earlier one that found none.
 */
function publishInBatch({ ledger, refusing }: Session, batched: BatchedPublish): PublishOutcome {
  const { outgoing, serial, publish } = batched;
  const { full } = refusing;
  if (refusing.serial !== serial) full.clear();
  refusing.serial = serial;
  const direct = full.size === 0 ? [] : topicOf(ledger, outgoing.topic).direct;
  const shut = direct.find(({ name }) => full.has(name));
  if (shut !== undefined) return { kind: 'full', subscription: shut.name, topics: shut.topics };
  const outcome = publish(outgoing);
  if (outcome.kind === 'full') full.add(outcome.subscription);
  return outcome;
}

/** Answers how many publishes it took in. */
function publishAll(
  session: Session,
  { publishes, forwards }: Intake,
  { pace, watch }: TurnPlan,
): number {
  const { ledger, staged } = session;
  const isOver = watch.ofKind();
  const taker = createTaker(session);
  let stored = 0;
  const storeStaged = (before: number): void => {
    for (; stored < staged.length && staged[stored]!.serial < before; stored++) {
      publishStaged(ledger, staged[stored]!.outgoing, taker);
    }
  };
  const publish = (outgoing: Outgoing): PublishOutcome => publishOne(ledger, outgoing, taker);
  const published = publishes.work(
    pace.limit,
    (outgoing, serial) => {
      storeStaged(serial);
      const stopped = forwards.get(serial);
      if (stopped !== undefined) return forwardOne(stopped, outgoing, publish);
      return publishInBatch(session, { outgoing, serial, publish });
    },
    // What an ack publishes is stored in this turn, so what was called before it is too.
    () => stored === staged.length && isOver(),
  );
  storeStaged(Number.POSITIVE_INFINITY);
  return published;
}
