/**
 * One turn: everything this process has to do at the file, in one transaction, in this order.
 *
 *  1. the fence: does this session still exist? renewals and take-overs, when they are due
 *  2. commands, such as registering a subscription
 *  3. facts, so that everything after them in this transaction sees them
 *  4. settlements, so that what they free can be claimed and what they publish is stored
 *  5. what became due, and a step of a chore
 *  6. claims of what is ready: the oldest first, before anything new is handed over
 *  7. publishes, staged ones first; handed over at once where nothing older is ready
 *  8. loose messages for the credit that is left
 *
 * Nothing here waits, and nothing is told to anybody: that is for after the commit.
 */

import { MaloteError } from '../../errors.ts';
import type {
  FactChange,
  Outgoing,
  PublishOutcome,
  Settlement,
  SettleOutcome,
} from '../../transport/transport.ts';
import { type Agenda, readAgenda } from './agenda.ts';
import type { Calls } from './calls.ts';
import { doChores } from './chores.ts';
import { claimReady, claimRest, createTaker } from './claim.ts';
import { writeLeases } from './claim-loose.ts';
import { closeFact, endOverdueWaits, openFact } from './facts.ts';
import { promoteDue } from './later.ts';
import { closeLedger, openLedger } from './ledger.ts';
import { dropForgotten } from './return-all.ts';
import { writeMessages } from './place.ts';
import { publishOne } from './publish.ts';
import type { Session } from './session.ts';
import { finishSettling, settleOne } from './settle.ts';
import { choreSteps } from './chore-steps.ts';
import { checkFence, renew, takeOverDead } from './takeover.ts';

/**
 * Something that is done once inside a turn. It refuses by throwing a MaloteError before it has
 * written anything: then only its own call rejects, and the turn goes on.
 */
export type Command = (session: Session) => unknown;

export type CommandOutcome =
  | { readonly kind: 'done'; readonly answer: unknown }
  | { readonly kind: 'refused'; readonly error: MaloteError };

export interface Intake {
  readonly commands: Calls<Command, CommandOutcome>;
  readonly marks: Calls<FactChange, null>;
  readonly settlements: Calls<Settlement, SettleOutcome>;
  readonly publishes: Calls<Outgoing, PublishOutcome>;
}

export interface TurnPlan {
  readonly now: number;
  /** Operations of each kind that this turn may do. */
  readonly limit: number;
  /** Messages that it may claim for a consumer. */
  readonly claimLimit: number;
  readonly agenda: Agenda;
  /** Sessions that are known to be dead. */
  readonly gone: ReadonlySet<number>;
}

export interface TurnResult {
  /** What this session has to do by time alone, as far as it was looked at. */
  readonly agenda: Agenda;
  /** The other sessions of the file, where this turn has read them. */
  readonly peers: readonly number[] | null;
}

export function workTurn(session: Session, intake: Intake, plan: TurnPlan): TurnResult {
  const { ledger } = session;
  const { now, agenda } = plan;
  openLedger(ledger, Math.floor(now));
  findSubscriptions(session);
  checkFence(session);
  const isRenewal = now >= agenda.renewAt;
  if (isRenewal) renew(session);
  const isTakeOver = now >= agenda.sessionsAt || plan.gone.size > 0;
  if (isTakeOver) takeOverDead(session, plan.gone);
  intake.commands.work(plan.limit, (command) => execute(session, command));
  findSubscriptions(session);
  takeIn(session, intake, plan);
  const isDue = now >= agenda.dueAt;
  if (isDue) {
    promoteDue(session);
    endOverdueWaits(session);
  }
  if (ledger.hasChores) doChores(session, choreSteps);
  writeMessages(ledger);
  claimReady(session, plan.claimLimit);
  publishAll(session, intake, plan);
  writeMessages(ledger);
  claimRest(session);
  for (const consumer of session.consumers) writeLeases(session, consumer);
  closeLedger(ledger);
  return {
    agenda: readAgenda(session, { agenda, isRenewal, isTakeOver, isDue }),
    peers: isRenewal ? session.rows.others.all(session.id).flat() : null,
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
    return { kind: 'done', answer: command(session) };
  } catch (error) {
    if (error instanceof MaloteError) return { kind: 'refused', error };
    throw error;
  }
}

function takeIn(session: Session, { marks, settlements }: Intake, { limit }: TurnPlan): void {
  marks.work(limit, ({ fact, state }) => {
    if (state === 'fulfilled') openFact(session, fact);
    else closeFact(session, fact);
    return null;
  });
  session.staged.length = 0;
  settlements.work(limit, (settlement) => settleOne(session, settlement, session.staged));
  finishSettling(session);
}

function publishAll(session: Session, { publishes }: Intake, { limit }: TurnPlan): void {
  const { ledger, staged } = session;
  const taker = createTaker(session);
  for (const outgoing of staged) {
    const outcome = publishOne(ledger, outgoing, taker);
    if (outcome.kind === 'refused') throw outcome.error;
  }
  publishes.work(limit, (outgoing) => publishOne(ledger, outgoing, taker));
}
