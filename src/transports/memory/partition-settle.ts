/**
 * Settlements in the `partitions` shape. The broker acknowledges and nothing else; everything
 * around it is stored before, in steps of its own:
 *
 *     ack          publish and open facts ─▶ confirmed ─▶ ack
 *     retry        the lane backs off here; a note tells the next owner
 *     release,park the same
 *     dead-letter  note "dying" ─▶ confirmed ─▶ dead letter stored ─▶ confirmed ─▶ ack
 *
 * A crash between two steps repeats the message, and never loses it.
 */

import { MaloteError } from '../../errors.ts';
import { record, type Entry, type Step } from '../../transport/lane-table.ts';
import {
  ack,
  die,
  giveBack,
  coveredEntry,
  heldEntry,
  noteFailure,
  park,
  retry,
} from '../../transport/lane-table-settle.ts';
import { prepareEach, type Pending } from '../../transport/step-by-step.ts';
import type { Delivery, Settlement, SettleOutcome } from '../../transport/transport.ts';
import { confirm } from './broker.ts';
import { appendFacts } from './broker-facts.ts';
import { buryCopy, firstFull, publishOne } from './broker-steps.ts';
import { finish } from './finished.ts';
import {
  finishSource,
  writeNote,
  type Hold,
  type PartitionContext,
  type PartitionMember,
} from './partition-member.ts';
import { viewOf } from './views.ts';

type MemberOf = (subscription: string) => PartitionMember | undefined;

export function settlePlain(
  batch: readonly Settlement[],
  { memberOf, step }: { readonly memberOf: MemberOf; readonly step: Step },
): SettleOutcome[] {
  return batch.map(({ delivery }) => {
    const found = find(memberOf, delivery);
    if (found === null) return 'lease-lost';
    acknowledge(found, step);
    return 'settled';
  });
}

export interface Prepared {
  readonly batch: readonly Settlement[];
  /** Acks whose publishes found no room, and what stands behind them. */
  readonly full: ReadonlySet<Settlement>;
  readonly memberOf: MemberOf;
  /** What is stored, or found out, elsewhere. */
  readonly stored: Promise<unknown>;
}

/** Stores what has to be stored before the acks, in the very call. */
export function prepare(
  context: PartitionContext,
  batch: readonly Settlement[],
  { memberOf, pending }: { readonly memberOf: MemberOf; readonly pending: Pending },
): Prepared {
  const stored: Promise<unknown>[] = [];
  const full = prepareEach(batch, pending, {
    find: (delivery) => findHeld(memberOf, delivery),
    prepare: (settlement, found) => prepareOne(context, { settlement, found, stored }),
  });
  const all = Promise.all(stored);
  all.catch(() => undefined);
  return { batch, full, memberOf, stored: all };
}

interface Preparing {
  readonly settlement: Settlement;
  readonly found: Found;
  /** What is stored, or found out, elsewhere. */
  readonly stored: Promise<unknown>[];
}

/** Answers false when there is no room for what an ack publishes. */
function prepareOne(context: PartitionContext, preparing: Preparing): boolean {
  const { broker, host, apart } = context;
  const { settlement, found, stored } = preparing;
  if (settlement.kind === 'dead-letter') writeNote(found.member, found.entry, 'dying');
  if (settlement.kind === 'park' && apart !== null) {
    stored.push(apart.known.learn(settlement.facts));
  }
  if (settlement.kind !== 'ack') return true;
  const { opens, publish, delivery } = settlement;
  if (firstFull(broker, publish, delivery.subscription) !== undefined) return false;
  const asking = { ...context.step(), notify: host.notify };
  for (const message of publish) publishOne(broker, message, asking);
  const changes = opens.map((fact) => ({ fact, state: 'fulfilled' }) as const);
  if (changes.length === 0) return true;
  if (apart === null) appendFacts(broker, changes);
  else stored.push(apart.facts.mark(changes));
  return true;
}

/** Settles what was prepared, as soon as that is confirmed. */
export async function settlePrepared(
  context: PartitionContext,
  { batch, full, memberOf, stored }: Prepared,
): Promise<SettleOutcome[]> {
  await Promise.all([confirm(context.broker), stored]);
  if (!context.isOpen()) throw cutOff();
  const dead: (() => void)[] = [];
  const outcomes = batch.map((settlement): SettleOutcome => {
    if (full.has(settlement)) return 'full';
    const found = find(memberOf, settlement.delivery);
    return found === null ? 'lease-lost' : apply(context, { settlement, found, dead });
  });
  await confirm(context.broker);
  if (context.isOpen()) for (const acknowledgeDead of dead) acknowledgeDead();
  return outcomes;
}

/** Something of it may be stored: the publishes of an ack, and not the ack. */
function cutOff(): MaloteError {
  const sentence = 'the connection to memory ended while messages were being settled';
  return new MaloteError('INDETERMINATE', sentence);
}

interface Found {
  readonly member: PartitionMember;
  readonly hold: Hold;
  readonly entry: Entry;
}

interface Applying {
  readonly settlement: Settlement;
  readonly found: Found;
  /** Acks that wait until their dead letters are confirmed. */
  readonly dead: (() => void)[];
}

function apply(context: PartitionContext, { settlement, found, dead }: Applying): SettleOutcome {
  const { member, hold, entry } = found;
  const { table } = hold;
  const step = context.step();
  switch (settlement.kind) {
    case 'ack':
      acknowledge(found, step);
      return 'settled';
    case 'retry':
      retry(table, entry, settlement, step);
      writeNote(member, entry);
      return 'settled';
    case 'release':
      giveBack(table, entry, settlement.afterMs, step);
      writeNote(member, entry);
      return 'settled';
    case 'park': {
      const parked = park(table, entry, settlement.facts, step);
      writeNote(member, entry);
      return parked === 'parked' ? 'settled' : 'not-parked';
    }
    case 'dead-letter':
      deadLetter(context, { settlement, found, dead }, step);
      return 'settled';
  }
}

function acknowledge({ member, hold, entry }: Found, step: Step): void {
  ack(hold.table, entry, step);
  member.subscription.doneCount += 1;
  if (entry.story !== null && entry.story.history.length > 0) {
    finish(member.context.broker.finished, viewOf(hold.table, entry, { state: 'done' }), step);
  }
  finishSource(member, entry);
}

function deadLetter(context: PartitionContext, applying: Applying, step: Step): void {
  const { settlement, found, dead } = applying;
  const { member, hold, entry } = found;
  if (settlement.kind !== 'dead-letter') return;
  const { reason, failure, attempts } = settlement;
  const { claimant } = entry.lease!;
  noteFailure(entry, failure);
  const death = die(hold.table, entry, step);
  const shuts =
    death.effect === 'none' ? null : death.effect === 'blocked' ? 'blocked' : 'diverting';
  buryEntry(member, entry, { step, reason, attempts, shuts });
  dead.push(() => finishSource(member, entry));
  for (const follower of death.diverted) {
    divert(member, follower, step);
    dead.push(() => finishSource(member, follower));
  }
  if (death.effect === 'blocked') {
    const { name } = member.subscription.spec;
    const { key, message } = entry;
    context.host.notify({
      kind: 'blocked',
      subscription: name,
      key: key ?? '',
      id: message.id,
    });
  }
  if (death.cut === null) return;
  for (const consumer of member.consumers) {
    if (consumer === claimant) consumer.sink.lost([death.cut]);
  }
}

/** Buries a message whose key is diverted; its ack is up to the caller, once that is confirmed. */
export function divert(member: PartitionMember, entry: Entry, step: Step): void {
  const { name } = member.subscription.spec;
  writeNote(member, entry, 'dying');
  const attempts = entry.attempt - 1;
  buryEntry(member, entry, { step, reason: 'diverted', attempts, shuts: 'diverting' });
  const { key, message } = entry;
  member.context.host.notify({
    kind: 'diverted',
    subscription: name,
    key: key ?? '',
    id: message.id,
  });
}

interface Burying {
  readonly step: Step;
  readonly reason: Parameters<typeof buryCopy>[2]['record']['reason'];
  readonly attempts: number;
  readonly shuts: 'blocked' | 'diverting' | null;
}

function buryEntry(member: PartitionMember, entry: Entry, burying: Burying): void {
  const { context, subscription, sources } = member;
  const { step, reason, attempts, shuts } = burying;
  record(entry, step, { event: 'died', attempt: attempts, detail: reason });
  const { message, key, acceptedAt, story, tag } = entry;
  const source = sources.get(tag);
  const isReturned = source !== undefined && source.record !== null;
  buryCopy(context.broker, subscription, {
    record: {
      subscription: subscription.spec.name,
      message,
      key,
      acceptedAt,
      diedAt: step.now,
      attempts,
      reason,
      story,
    },
    shuts,
    of: isReturned ? null : (source?.carried ?? null),
  });
}

function find(memberOf: MemberOf, delivery: Delivery): Found | null {
  const member = memberOf(delivery.subscription);
  const hold = member?.sources.get(delivery.tag)?.hold;
  if (member === undefined || hold === undefined) return null;
  const entry = heldEntry(hold.table, delivery);
  return entry === null ? null : { member, hold, entry };
}

/** The same, also for a delivery whose turn in its lane has not come yet. */
function findHeld(memberOf: MemberOf, delivery: Delivery): Found | null {
  const member = memberOf(delivery.subscription);
  const hold = member?.sources.get(delivery.tag)?.hold;
  if (member === undefined || hold === undefined) return null;
  const entry = coveredEntry(hold.table, delivery);
  return entry === null ? null : { member, hold, entry };
}
