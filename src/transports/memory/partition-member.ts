/**
 * A connection's side of one subscription in the `partitions` shape: the partitions it owns, each
 * with a lane table that turns pushes into lane leases.
 *
 * Back-off, waiting and order live here, in memory; what has to outlive this process is written to
 * the broker as notes.
 */

import { sleep } from '../../clock.ts';
import {
  createLaneTable,
  type Claimant,
  type Entry,
  type Holder,
  type LaneTable,
  type Step,
} from '../../transport/lane-table.ts';
import { isShut, pushHeld, reopen, shut } from '../../transport/lane-table-lanes.ts';
import type { NumberMap } from '../../transport/number-map.ts';
import type { Facts } from '../../transport/facts.ts';
import type { KnownFacts } from '../../transport/known-facts.ts';
import { noNeeds } from '../../message/need.ts';
import type { FactId, Host, Lease, Need, Sink, Suspicion } from '../../transport/transport.ts';
import {
  confirm,
  nextNumber,
  partitionOf,
  type Broker,
  type BrokerSubscription,
  type Carried,
  type Channel,
  type Member,
  type Note,
} from './broker.ts';
import { ackCarried, push } from './broker-queues.ts';
import { judge, workName } from './broker-ledgers.ts';
import { dropReturning, isBuried, takeReturning } from './broker-steps.ts';
import type { DeadRecord } from './dead-letters.ts';
import { arrivalOf, copyOf } from './partition-intake.ts';
import { storyOfReturn } from './returns.ts';

/** What all subscriptions of one connection share. */
export interface PartitionContext {
  readonly broker: Broker;
  readonly host: Host;
  readonly holder: Holder;
  readonly facts: { has(fact: FactId): boolean };
  /** Null: facts are in the broker's own log. */
  readonly apart: FactsApart | null;
  isOpen(): boolean;
  step(): Step;
  /** Looks soon for what can be delivered. */
  look(): void;
  nextLease(): Lease;
  /** An entry met a diverting lane. */
  diverted(member: PartitionMember, entry: Entry, step: Step): void;
}

/** Facts that are kept elsewhere, and what is known of them here. */
export interface FactsApart {
  readonly facts: Facts;
  readonly known: KnownFacts;
}

/** A queue that was assigned: its channel, and the table that takes in what it pushes. */
export interface Hold {
  readonly channel: Channel;
  readonly table: LaneTable;
  readonly isShared: boolean;
  isDraining: boolean;
  /** More was asked of the broker: claims wait a turn for its answer. */
  isAsking: boolean;
  /** Pushes that still wait for their notes to be read. */
  readings: number;
  lastReading: Promise<void>;
}

/** Where an entry came from, and so where it is acknowledged. */
export interface Source {
  readonly hold: Hold;
  /** The message itself, or the order to reopen its key. */
  readonly carried: Carried;
  /** A dead letter that returned to its key. */
  readonly record: DeadRecord | null;
}

export interface PartitionConsumer extends Claimant {
  readonly sink: Sink;
  stopped: boolean;
}

export interface PartitionMember extends Member {
  readonly context: PartitionContext;
  readonly consumers: Set<PartitionConsumer>;
  readonly holds: Map<Channel, Hold>;
  readonly sources: NumberMap<Source>;
  /** Dead letters that returned by an order to reopen, and are not settled yet. */
  readonly returns: Map<Carried, Set<number>>;
}

/** Messages of a partition that may be here; those that are held back do not count. */
const windowSize = 1_000;

/** How long a question that was not answered rests. */
export const askAgainMs = 100;
const noNotes: ReadonlyMap<string, Note> = new Map();

export function takeHold(member: PartitionMember, channel: Channel): void {
  const { context, subscription } = member;
  const { queue } = channel;
  const table = createLaneTable({
    subscription: subscription.spec.name,
    settings: subscription.spec,
    facts: context.facts,
    nextLease: context.nextLease,
    diverted: (entry, step) => context.diverted(member, entry, step),
    waits({ message }, facts) {
      const { name } = subscription.spec;
      context.apart?.known.lacking(facts);
      context.host.notify({ kind: 'waiting', facts, subscription: name, id: message.id });
    },
  });
  table.paused = subscription.isPaused;
  member.holds.set(channel, {
    channel,
    table,
    isShared: channel.queue.partition === null,
    isDraining: false,
    isAsking: false,
    readings: 0,
    lastReading: Promise.resolve(),
  });
  for (const [key, state] of subscription.shut) {
    const partition = partitionOf(key, context.broker.partitionCount);
    if (partition === queue.partition) shut(table, key, state);
  }
  tellOf(member, channel, 'partition-taken');
  context.look();
}

function tellOf(
  { context, subscription }: PartitionMember,
  { queue }: Channel,
  kind: 'partition-taken' | 'partition-let-go',
): void {
  const { partition } = queue;
  const { name } = subscription.spec;
  if (partition !== null) context.host.notify({ kind, subscription: name, partition });
}

/** Forgets a hold with all that stood in its table; the queue still has it. */
export function dropHold(member: PartitionMember, hold: Hold): void {
  member.holds.delete(hold.channel);
  tellOf(member, hold.channel, 'partition-let-go');
  for (const tag of hold.table.byTag.keys()) member.sources.delete(tag);
  for (const control of member.returns.keys()) {
    if (control.queue === hold.channel.queue) member.returns.delete(control);
  }
}

/** Takes pushed messages in, in order: those pushed before not until their notes are read. */
export function takePush(member: PartitionMember, hold: Hold, batch: readonly Carried[]): void {
  const { context, subscription } = member;
  const again = batch.filter(({ redelivered }) => redelivered).map(({ message }) => message.id);
  const needs = context.apart === null ? noNeeds : needsOf(subscription, batch);
  if (again.length === 0 && needs.length === 0 && hold.readings === 0) {
    takeBatch(member, hold, { batch, notes: noNotes });
    return;
  }
  hold.readings += 1;
  hold.lastReading = hold.lastReading
    .then(() => learn(context, needs))
    .then(() => readNotes(context.broker, subscription, again))
    .then((notes) => {
      hold.readings -= 1;
      if (!context.isOpen() || member.holds.get(hold.channel) !== hold) return;
      takeBatch(member, hold, { batch, notes });
    });
}

function needsOf({ notes }: BrokerSubscription, batch: readonly Carried[]): readonly Need[] {
  return batch.flatMap(({ message, redelivered }) => {
    const note = redelivered ? notes.get(message.id) : undefined;
    return [...message.facts, ...(note?.needs ?? noNeeds), ...(note?.story?.parkedFor ?? noNeeds)];
  });
}

/** Not before it is known how they stand: a deadline that is over would speak against them. */
async function learn({ apart, host, isOpen }: PartitionContext, needs: readonly Need[]) {
  while (apart !== null && isOpen()) {
    try {
      return await apart.known.learn(needs);
    } catch {
      await sleep(askAgainMs, host.clock);
    }
  }
}

async function readNotes(
  broker: Broker,
  subscription: BrokerSubscription,
  ids: readonly string[],
): Promise<ReadonlyMap<string, Note>> {
  await confirm(broker);
  const notes = new Map<string, Note>();
  for (const id of ids) {
    const note = subscription.notes.get(id);
    if (note !== undefined) notes.set(id, note);
  }
  return notes;
}

interface Batch {
  readonly batch: readonly Carried[];
  readonly notes: ReadonlyMap<string, Note>;
}

function takeBatch(member: PartitionMember, hold: Hold, { batch, notes }: Batch): void {
  const { context, subscription } = member;
  const step = context.step();
  for (const carried of batch) {
    // Cancelled while its note was read.
    if (carried.state !== 'pushed') continue;
    if (carried.kind === 'reopen') {
      takeReturns(member, hold, { control: carried, step });
      continue;
    }
    const note = notes.get(carried.message.id) ?? null;
    if (note?.isDying === true && isBuried(context.broker, subscription, carried.message.id)) {
      ackCarried(context.broker, carried);
      continue;
    }
    member.sources.set(carried.tag, { hold, carried, record: null });
    take(member, hold, { carried, note, step });
  }
  context.look();
}

interface TakingIn {
  readonly carried: Carried;
  readonly note: Note | null;
  readonly step: Step;
}

function take(member: PartitionMember, hold: Hold, { carried, note, step }: TakingIn): void {
  const verdict = verdictOn(member, carried);
  const { arrival, heldUntil } = arrivalOf({ carried, note, verdict }, hold.table, step);
  const entry = pushHeld(hold.table, arrival, heldUntil, step);
  // Its ledger is heard once: what it said has to be written down.
  if (verdict !== 'none') writeNote(member, entry);
}

function verdictOn(member: PartitionMember, { message, redelivered }: Carried): Suspicion {
  if (!redelivered) return 'none';
  return judge(member.context.broker, workName(member.subscription.spec.name, message.id));
}

/** The dead letters of a key return to the front of its lane, and the lane opens. */
function takeReturns(
  member: PartitionMember,
  hold: Hold,
  { control, step }: { readonly control: Carried; readonly step: Step },
): void {
  const { context, subscription, sources } = member;
  const { table } = hold;
  const key = control.message.key ?? '';
  const lane = table.byKey.get(key);
  // What was diverted since the order was given goes back with the others.
  if (lane !== undefined && isShut(lane.state)) takeReturning(context.broker, subscription, key);
  const tags = [...member.returns.values()].flatMap((pending) => [...pending]);
  const here = new Set(tags.map((tag) => sources.get(tag)?.record));
  const records = (subscription.returning.get(key) ?? []).filter((record) => !here.has(record));
  const pending = new Set<number>();
  const arrivals = records.map((record) => {
    const tag = nextNumber(context.broker);
    pending.add(tag);
    sources.set(tag, { hold, carried: control, record });
    const { message, acceptedAt } = record;
    const story = storyOfReturn(record, step);
    const note = subscription.notes.get(message.id) ?? null;
    const carried = { ...control, tag, order: tag, message, acceptedAt, story };
    return arrivalOf({ carried, note, verdict: verdictOn(member, carried) }, table, step).arrival;
  });
  member.returns.set(control, pending);
  reopen(table, { key, arrivals }, step);
  if (pending.size === 0) endReturn(member, hold, control);
}

/** The entry is done with for good: its origin forgets it. */
export function finishSource(member: PartitionMember, { tag, message }: Entry): void {
  const { context, subscription, sources, returns } = member;
  const source = sources.get(tag);
  if (source === undefined) return;
  sources.delete(tag);
  // Its channel is closed: whoever has the message now finds it buried.
  if (member.holds.get(source.hold.channel) !== source.hold) return;
  if (source.record === null) {
    ackCarried(context.broker, source.carried);
    return;
  }
  dropReturning(subscription, source.record);
  if (!subscription.byId.has(message.id)) subscription.notes.delete(message.id);
  const pending = returns.get(source.carried);
  pending?.delete(tag);
  if (pending?.size === 0) endReturn(member, source.hold, source.carried);
}

/** All that returned is settled: the key is open for whoever owns it next, unless it died again. */
function endReturn(member: PartitionMember, hold: Hold, control: Carried): void {
  const key = control.message.key ?? '';
  member.returns.delete(control);
  const lane = hold.table.byKey.get(key);
  if (lane === undefined || !isShut(lane.state)) member.subscription.shut.delete(key);
  ackCarried(member.context.broker, control);
}

/** Writes down what the next owner has to know; stored when the broker confirms. */
export function writeNote(
  { subscription }: PartitionMember,
  entry: Entry,
  isDying: 'dying' | null = null,
): void {
  subscription.notes.set(entry.message.id, {
    attempt: entry.attempt,
    readyAt: entry.state === 'retrying' ? entry.readyAt : 0,
    isDying: isDying !== null,
    story: copyOf(entry.story),
    needs: entry.needs,
  });
}

/** Gives a partition room for more, the shared queue as much as its consumers ask for. */
export function refreshRoom(member: PartitionMember, hold: Hold): void {
  const { channel, table } = hold;
  const { counts } = table;
  const isShared = channel.queue.partition === null;
  let credit = 0;
  for (const consumer of member.consumers) credit += consumer.credit;
  const moving = channel.unacked.size - counts.standing;
  const waiting = channel.unacked.size - counts.standing - counts.leased - counts.waiting;
  const room = isShared ? credit - waiting : windowSize - moving;
  const before = channel.room;
  channel.room = hold.isDraining || subscriptionStops(member) ? 0 : Math.max(0, room);
  if (channel.room <= before) return;
  hold.isAsking = isShared && before === 0;
  if (channel.queue.ready.size > 0) push(member.context.broker, channel.queue);
}

function subscriptionStops({ consumers }: PartitionMember): boolean {
  for (const { stopped } of consumers) if (!stopped) return false;
  return true;
}
