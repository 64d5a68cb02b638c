/**
 * Settlements. The server acknowledges and nothing else; everything around it is stored before, in
 * steps of its own:
 *
 *     ack          publish and open facts ─▶ confirmed ─▶ ack
 *     retry        the lane backs off here; a copy with its state ─▶ confirmed
 *     release,park the same
 *     dead-letter  (block, divert: shut record ─▶ confirmed ─▶) dead letter ─▶ confirmed ─▶ ack
 *
 * A crash between two steps repeats the message, and never loses it.
 */

import { record, type Entry, type Step } from '../../transport/lane-table.ts';
import {
  ack,
  die,
  giveBack,
  inItsTurn,
  noteFailure,
  park,
  retry,
} from '../../transport/lane-table-settle.ts';
import { prepareEach, type Pending } from '../../transport/step-by-step.ts';
import type {
  Delivery,
  Need,
  Outgoing,
  Settlement,
  SettleOutcome,
} from '../../transport/transport.ts';
import { burialOf } from './dead.ts';
import { cutOff } from './failures.ts';
import { heardOf } from './heard.ts';
import type { Context, Hold, Member, Source } from './hold.ts';
import { finish, keep, store } from './source.ts';
import { moveAway } from './shared.ts';
import { recordOf, type DeadNote, type Turn } from './wire-format.ts';

export type MemberOf = (subscription: string) => Member | undefined;

export interface Settling {
  readonly memberOf: MemberOf;
  readonly pending: Pending;
  /** Stores what an ack publishes and opens; answers false when there is no room for it. */
  effects(
    publish: readonly Outgoing[],
    opens: readonly string[],
  ): { readonly isFull: boolean; readonly stored: Promise<void> };
  /** Resolves when all facts confirmed before are known here, of these at least. */
  learnFacts(needs: readonly Need[]): Promise<void>;
}

export function settlePlain(batch: readonly Settlement[], memberOf: MemberOf): SettleOutcome[] {
  let step: Step | null = null;
  return batch.map(({ delivery }) => {
    const found = find(memberOf, delivery);
    if (found === null) return 'lease-lost';
    step ??= found.member.context.step();
    acknowledge(found, step);
    return 'settled';
  });
}

export interface Prepared {
  readonly batch: readonly Settlement[];
  readonly full: ReadonlySet<Settlement>;
  readonly stored: Promise<unknown>;
}

/** Stores what has to be stored before the acks, in the very call. */
export function prepare(batch: readonly Settlement[], settling: Settling): Prepared {
  const stored: Promise<void>[] = [];
  const full = prepareEach(batch, settling.pending, {
    find: (delivery) => findHeld(settling.memberOf, delivery),
    prepare: (settlement, found) => prepareOne(settlement, { found, settling, stored }),
  });
  const all = Promise.all(stored);
  all.catch(() => undefined);
  return { batch, full, stored: all };
}

interface Preparing {
  readonly found: Found;
  readonly settling: Settling;
  readonly stored: Promise<void>[];
}

function prepareOne(settlement: Settlement, { found, settling, stored }: Preparing): boolean {
  switch (settlement.kind) {
    case 'ack': {
      const { publish, opens } = settlement;
      if (publish.length === 0 && opens.length === 0) return true;
      const effects = settling.effects(publish, opens);
      if (effects.isFull) return false;
      stored.push(effects.stored);
      return true;
    }
    case 'park':
      stored.push(settling.learnFacts(settlement.facts));
      return true;
    case 'dead-letter':
      if (shutsKey(found)) stored.push(shutKey(found));
      return true;
    case 'retry':
    case 'release':
      return true;
  }
}

function shutsKey({ member, hold, entry }: Found): boolean {
  const { onDead } = member.registered.spec;
  return onDead !== 'skip' && entry.key !== null && hold.partition !== null;
}

async function shutKey({ member, hold, entry }: Found): Promise<void> {
  const { context, registered } = member;
  const partition = hold.partition!;
  const key = entry.key!;
  const { id, topic } = entry.message;
  const state = registered.spec.onDead === 'block' ? 'blocked' : 'diverting';
  const note = { kind: 'shut', epoch: partition.epoch, key, state, id, topic } as const;
  const since = [partition.epoch, context.nextNumber()] as const;
  partition.shuts.set(key, { note, place: null, since, last: null });
  const queue = registered.queues.side[partition.index]!;
  await store(context, () => context.publisher.send(recordOf(queue, note, context.host.newId())));
}

/** Settles what was prepared; what is answered is stored when the answer's promise resolves. */
export function settlePrepared(
  context: Context,
  { batch, full }: Prepared,
  memberOf: MemberOf,
): { readonly outcomes: SettleOutcome[]; readonly stored: Promise<unknown> } {
  if (!context.isOpen()) throw cutOff();
  const stored: Promise<unknown>[] = [];
  const outcomes = batch.map((settlement): SettleOutcome => {
    if (full.has(settlement)) return 'full';
    const found = find(memberOf, settlement.delivery);
    return found === null ? 'lease-lost' : apply(settlement, found, stored);
  });
  const all = Promise.all(stored);
  all.catch(() => undefined);
  return { outcomes, stored: all };
}

interface Found {
  readonly member: Member;
  readonly hold: Hold;
  readonly source: Source;
  readonly entry: Entry;
}

function apply(settlement: Settlement, found: Found, stored: Promise<unknown>[]): SettleOutcome {
  const { member, hold, entry } = found;
  const { table } = hold;
  const step = member.context.step();
  switch (settlement.kind) {
    case 'ack':
      acknowledge(found, step);
      return 'settled';
    case 'retry':
      retry(table, entry, settlement, step);
      stored.push(keepState(found));
      return 'settled';
    case 'release':
      giveBack(table, entry, settlement.afterMs, step);
      stored.push(keepState(found));
      return 'settled';
    case 'park': {
      const parked = park(table, entry, settlement.facts, step);
      stored.push(keepState(found));
      return parked === 'parked' ? 'settled' : 'not-parked';
    }
    case 'dead-letter':
      stored.push(deadLetter(settlement, found, step));
      return 'settled';
  }
}

function keepState({ hold, source, entry }: Found): Promise<void> {
  return hold.partition === null ? moveAway(source, entry) : keep(source, entry);
}

function acknowledge({ member, hold, source, entry }: Found, step: Step): void {
  ack(hold.table, entry, step);
  member.doneCount += 1;
  finish(source);
}

async function deadLetter(
  settlement: Settlement & { readonly kind: 'dead-letter' },
  { member, hold, source, entry }: Found,
  step: Step,
): Promise<void> {
  const { reason, failure, attempts } = settlement;
  const { context, registered } = member;
  const { claimant } = entry.lease!;
  noteFailure(entry, failure);
  const death = die(hold.table, entry, step);
  const isShutting = death.effect !== 'none';
  const burying = [bury(source, entry, { step, reason, attempts, isShutting })];
  for (const follower of death.diverted) burying.push(divert(member, follower, step));
  if (death.effect === 'blocked') {
    const { name } = registered;
    const { key, message } = entry;
    context.host.notify({ kind: 'blocked', subscription: name, key: key ?? '', id: message.id });
  }
  if (death.cut !== null) {
    for (const consumer of member.consumers) {
      if (consumer === claimant) consumer.sink.lost([death.cut]);
    }
  }
  await Promise.all(burying);
}

/** Buries a message whose key is diverted. */
export async function divert(member: Member, entry: Entry, step: Step): Promise<void> {
  const source = member.sources.get(entry.tag);
  if (source === undefined) return;
  const { context, registered } = member;
  const { key, message, attempt } = entry;
  context.host.notify({
    kind: 'diverted',
    subscription: registered.name,
    key: key ?? '',
    id: message.id,
  });
  await bury(source, entry, {
    step,
    reason: 'diverted',
    attempts: attempt - 1,
    isShutting: true,
  });
}

interface Burying {
  readonly step: Step;
  readonly reason: DeadNote['reason'];
  readonly attempts: number;
  readonly isShutting: boolean;
}

async function bury(source: Source, entry: Entry, burying: Burying): Promise<void> {
  const { member } = source.hold;
  const { context, registered } = member;
  const { step, reason, attempts, isShutting } = burying;
  // It has left its table: while it is on its way to the dead, it is not given back to others.
  source.entry = null;
  const turn = turnOf(source);
  const shutting = entry.key === null ? undefined : source.hold.partition?.shuts.get(entry.key);
  if (isShutting && shutting !== undefined) shutting.last = turn;
  record(entry, step, { event: 'died', attempt: attempts, detail: reason });
  const note: DeadNote = {
    kind: 'dead',
    stamp: stampOf(step.now, context),
    turn,
    key: entry.key,
    reason,
    attempts,
    diedAt: step.now,
    story: entry.story,
    // The last ledger may list it still when this process dies, of something else.
    heard: heardOf(source.heard, [[context.session, context.clerk.number]]),
    isShutting,
    isForeign: false,
    life: source.returned,
  };
  source.death = note.stamp;
  const { message, acceptedAt } = source;
  const sending = burialOf(registered, message, { acceptedAt, note });
  source.hold.burying += 1;
  await store(context, () => context.publisher.send(sending));
  source.hold.burying -= 1;
  finish(source);
  context.look();
}

function turnOf({ hold: { partition, member } }: Source): Turn | null {
  return partition === null ? null : [partition.epoch, member.context.nextNumber()];
}

/** Sorts as text: time, then order within the session. */
function stampOf(now: number, { nextNumber, session }: Context): string {
  const [time, number] = [now, nextNumber()].map((part) => String(part).padStart(16, '0'));
  return `${time}-${number}-${session}`;
}

function find(memberOf: MemberOf, delivery: Delivery): Found | null {
  const found = findHeld(memberOf, delivery);
  return found === null || inItsTurn(found.entry) === null ? null : found;
}

/** The same, also for a delivery whose turn in its lane has not come yet. */
function findHeld(memberOf: MemberOf, delivery: Delivery): Found | null {
  const source = sourceOf(memberOf, delivery);
  const entry = source?.entry ?? null;
  if (source === null || entry?.lease?.id !== delivery.lease.id) return null;
  const { hold } = source;
  return entry === null ? null : { member: hold.member, hold, source, entry };
}

function sourceOf(memberOf: MemberOf, { subscription, tag }: Delivery): Source | null {
  const source = memberOf(subscription)?.sources.get(tag);
  return source === undefined || !source.hold.isOpen ? null : source;
}
