/**
 * A connection in the `partitions` shape, as the contract sees it: the rehearsal of a transport to
 * a real broker. Everything it knows of the broker goes through `broker*.ts`.
 */

import type { Timer } from '../../clock.ts';
import { MaloteError } from '../../errors.ts';
import { createHolder, nextDue, stepAt, type Step } from '../../transport/lane-table.ts';
import { coveredBy, giveBackAll } from '../../transport/lane-table-settle.ts';
import { wake } from '../../transport/lane-table-wake.ts';
import {
  createPending,
  forgetPending,
  isPlain,
  type Pending,
} from '../../transport/step-by-step.ts';
import { isSeclusionWanted } from '../../transport/table-claims.ts';
import type { Facts } from '../../transport/facts.ts';
import { createKnownFacts } from '../../transport/known-facts.ts';
import type { FactId, Host, Queue, Settlement, SettleOutcome } from '../../transport/transport.ts';
import { confirm, nextNumber, type Broker, type BrokerConnection } from './broker.ts';
import { tick } from './broker-queues.ts';
import { appendFacts, readOn, replay } from './broker-facts.ts';
import type { Uncoordinated } from './coordination.ts';
import { createLedger, keepLedger, workName } from './broker-ledgers.ts';
import { letGo, remove as removeMember } from './broker-members.ts';
import { forwardAll, publishOne, subscribeAll, unsubscribeOne } from './broker-steps.ts';
import { claimAll, handOut, promoteAll, type Handing } from './partition-claim.ts';
import {
  dropHold,
  finishSource,
  refreshRoom,
  writeNote,
  askAgainMs,
  type FactsApart,
  type Hold,
  type PartitionContext,
  type PartitionMember,
} from './partition-member.ts';
import { bindAgain, consume } from './partition-consumers.ts';
import { divert, prepare, settlePlain, settlePrepared } from './partition-settle.ts';
import { storeOf } from './partition-store.ts';

interface Session {
  readonly broker: Broker;
  readonly host: Host;
  readonly context: PartitionContext;
  /** What holds by the broker's log. */
  readonly holding: Set<FactId>;
  readonly members: Map<string, PartitionMember>;
  readonly line: BrokerConnection;
  isOpen: boolean;
  isLooking: boolean;
  turn: number;
  dueAt: number;
  dueTimer: Timer | null;
  alarmTimer: Timer | null;
  /** Settlements that take more than one step, one batch after the other. */
  settling: number;
  readonly pending: Pending;
  lastSettling: Promise<unknown>;
}

/** @param elsewhere - where facts are kept in place of the broker's log */
export function openPartitions(broker: Broker, host: Host, elsewhere: Facts | null): Uncoordinated {
  const session = createSession(broker, host, elsewhere);
  broker.connections.add(session.line);
  tick(broker, host.clock.now());
  return {
    queue: queueOf(session),
    store: storeOf({ broker, host, act: () => act(session) }),
    join: null,
    effects: null,
    facts: null,
    close: () => close(session),
    abandon: () => abandon(session),
  };
}

function createSession(broker: Broker, host: Host, elsewhere: Facts | null): Session {
  let leases = 0;
  const holding = new Set<string>();
  const apart = elsewhere === null ? null : factsApart(elsewhere, () => session);
  const context: PartitionContext = {
    broker,
    host,
    facts: apart?.known ?? holding,
    apart,
    holder: createHolder(),
    isOpen: () => session.isOpen,
    step: () => stepAt(host.clock.now(), host),
    look: () => look(session),
    nextLease() {
      leases += 1;
      return { id: leases, token: nextNumber(broker) };
    },
    diverted(member, entry, step) {
      divert(member, entry, step);
      void confirm(broker).then(() => session.isOpen && finishSource(member, entry));
    },
  };
  const line: BrokerConnection = {
    position: 0,
    ledger: createLedger(),
    alarm: (at) => setAlarm(session, at),
    tail: () => void setImmediate(() => readFacts(session)),
    registered: (subscription) => bindAgain(session, subscription),
  };
  for (const fact of replay(broker, line)) holding.add(fact);
  const session: Session = {
    broker,
    host,
    context,
    holding,
    members: new Map(),
    line,
    isOpen: true,
    isLooking: false,
    turn: 0,
    dueAt: Number.POSITIVE_INFINITY,
    dueTimer: null,
    alarmTimer: null,
    settling: 0,
    pending: createPending(),
    lastSettling: Promise.resolve(),
  };
  return session;
}

function queueOf(session: Session): Queue {
  const { broker, host } = session;
  const asking = (): Parameters<typeof subscribeAll>[2] => ({
    ...act(session),
    notify: host.notify,
  });
  return {
    async subscribe(specifications) {
      subscribeAll(broker, specifications, asking());
      await confirm(broker);
    },
    async unsubscribe(name) {
      act(session);
      const existed = unsubscribeOne(broker, name);
      await confirm(broker);
      return existed;
    },
    async publish(batch) {
      const by = asking();
      const outcomes = batch.map((message) => publishOne(broker, message, by));
      await confirm(broker);
      return outcomes;
    },
    async forward(batch) {
      const outcomes = forwardAll(broker, batch, asking());
      await confirm(broker);
      return outcomes;
    },
    consume(subscription, demand, sink) {
      act(session);
      return consume(session, { subscription, demand, sink });
    },
    settle: (batch) => settle(session, batch),
    async mark(changes) {
      act(session);
      const { apart } = session.context;
      if (apart !== null) return await apart.facts.mark(changes);
      appendFacts(broker, changes);
      await confirm(broker);
    },
  };
}

async function settle(
  session: Session,
  batch: readonly Settlement[],
): Promise<readonly SettleOutcome[]> {
  const { context, members } = session;
  const memberOf = (name: string): PartitionMember | undefined => members.get(name);
  const step = act(session);
  if (session.settling === 0 && isPlain(batch)) {
    const outcomes = settlePlain(batch, { memberOf, step });
    writeLedger(session);
    look(session);
    return outcomes;
  }
  const prepared = prepare(context, batch, { memberOf, pending: session.pending });
  session.settling += 1;
  const settled = session.lastSettling.then(() => settlePrepared(context, prepared));
  const finished = (): void => {
    forgetPending(session.pending, batch);
    ended(session);
  };
  session.lastSettling = settled.then(finished, finished);
  return await settled;
}

function ended(session: Session): void {
  session.settling -= 1;
  if (session.isOpen) writeLedger(session);
  look(session);
}

function look(session: Session): void {
  if (session.isLooking || !session.isOpen) return;
  session.isLooking = true;
  setImmediate(() => lookNow(session));
}

function lookNow(session: Session): void {
  session.isLooking = false;
  if (!session.isOpen) return;
  const step = session.context.step();
  session.turn += 1;
  const members = [...session.members.values()];
  for (const member of members) {
    promoteAll(member, step);
    for (const hold of member.holds.values()) refreshRoom(member, hold);
  }
  const isSecluding = members.some(({ consumers, holds }) =>
    isSeclusionWanted(consumers, holds.values()),
  );
  const batches: Handing[] = [];
  const first = session.turn % Math.max(1, members.length);
  for (const member of [...members.slice(first), ...members.slice(0, first)]) {
    batches.push(...claimAll(member, { step, isSecluding, turn: session.turn }));
  }
  writeLedger(session);
  for (const batch of batches) handOut(batch);
  if (!session.isOpen) return;
  for (const member of members) {
    letGoDrained(session, member);
    for (const hold of member.holds.values()) refreshRoom(member, hold);
  }
  armDue(session, step);
}

/** Gives back the partitions that were asked for and have nothing at work any more. */
function letGoDrained({ broker }: Session, member: PartitionMember): void {
  for (const hold of member.holds.values()) {
    if (!hold.isDraining || hold.table.counts.leased > 0 || hold.readings > 0) continue;
    noteAll(member, hold);
    dropHold(member, hold);
    letGo(broker, hold.channel);
  }
}

function armDue(session: Session, step: Step): void {
  let next = Number.POSITIVE_INFINITY;
  for (const { holds } of session.members.values()) {
    for (const { table } of holds.values()) next = Math.min(next, nextDue(table));
  }
  if (next === session.dueAt) return;
  session.dueTimer?.cancel();
  session.dueAt = next;
  session.dueTimer = Number.isFinite(next)
    ? session.host.clock.setTimer(() => {
        session.dueAt = Number.POSITIVE_INFINITY;
        session.dueTimer = null;
        lookNow(session);
      }, next - step.now)
    : null;
}

/** The broker keeps time by the clocks of those who are connected. */
function setAlarm(session: Session, at: number): void {
  session.alarmTimer?.cancel();
  session.alarmTimer = null;
  if (!session.isOpen || !Number.isFinite(at)) return;
  const { clock } = session.host;
  session.alarmTimer = clock.setTimer(() => tick(session.broker, clock.now()), at - clock.now());
  // Whoever only publishes has nothing to wait for.
  if (session.members.size === 0) session.alarmTimer.unref();
}

function readFacts(session: Session): void {
  if (!session.isOpen) return;
  const { broker, line, holding } = session;
  for (const { fact, state } of readOn(broker, line)) {
    if (state === 'revoked') holding.delete(fact);
    else {
      holding.add(fact);
      opened(session, fact);
    }
  }
  look(session);
}

function opened({ context, host, members }: Session, fact: FactId): void {
  const step = context.step();
  for (const [subscription, { holds }] of members) {
    for (const { table } of holds.values()) {
      for (const { message } of wake(table, fact, step)) {
        host.notify({ kind: 'woken', fact, subscription, id: message.id });
      }
    }
  }
}

function factsApart(facts: Facts, of: () => Session): FactsApart {
  const known = createKnownFacts({
    facts,
    tables: () =>
      [...of().members.values()].flatMap(({ holds }) =>
        [...holds.values()].map(({ table }) => table),
      ),
    opened(fact) {
      opened(of(), fact);
      look(of());
    },
    failed: (_, again) => void of().host.clock.setTimer(again, askAgainMs),
  });
  return { facts, known };
}

async function close(session: Session): Promise<void> {
  if (!session.isOpen) return;
  await session.lastSettling;
  if (!session.isOpen) return;
  const { context, broker, members } = session;
  giveBackAll(context.holder, context.step());
  for (const member of members.values()) {
    for (const hold of member.holds.values()) noteAll(member, hold);
  }
  end(session, true);
  await confirm(broker);
}

/** What is no longer ordinary goes back with a note. */
function noteAll(member: PartitionMember, { table }: Hold): void {
  for (const entry of table.byTag.values()) {
    if (entry.attempt > 1 || entry.story !== null) writeNote(member, entry);
  }
}

/** Once per turn, and always before something is handed out. */
function writeLedger({ context, line }: Session): void {
  const out = new Set<string>();
  for (let held = context.holder.head; held !== null; held = held.next) {
    const { subscription } = held.table;
    for (const { message } of coveredBy(held)) out.add(workName(subscription, message.id));
  }
  line.ledger.out = out;
}

function abandon(session: Session): void {
  if (session.isOpen) end(session, false);
}

function end(session: Session, isClean: boolean): void {
  const { broker, members } = session;
  session.isOpen = false;
  session.context.apart?.known.stop();
  session.dueTimer?.cancel();
  session.alarmTimer?.cancel();
  broker.connections.delete(session.line);
  // Before anything goes back: whoever gets it has to find what was at work.
  if (!isClean) keepLedger(broker, session.line.ledger);
  for (const member of members.values()) removeMember(broker, member);
}

function act(session: Session): Step {
  if (session.isOpen) return session.context.step();
  throw new MaloteError('BUS_STOPPED', 'this connection to memory is closed');
}
