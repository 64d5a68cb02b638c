/**
 * How what the server pushes becomes entries of a lane table. What was pushed before is asked
 * about first: whether somebody died with it.
 */

import { pushHeld, reopen, type Arrival } from '../../transport/lane-table-lanes.ts';
import { suspect } from '../../transport/lane-table-settle.ts';
import { entriesNamed } from '../../transport/lane-table-names.ts';
import { storyOf, type Entry, type Step } from '../../transport/lane-table.ts';
import type { Need } from '../../transport/transport.ts';
import { ackPlace, type Place } from './ack-book.ts';
import type { Verdict } from './clerk.ts';
import { heardOf } from './heard.ts';
import { delay, isDelayed, takePlaceOf } from './delayed.ts';
import { isStillDead } from './dead.ts';
import { isLater, lookAtDead, type Letter } from './dead-look.ts';
import {
  createSource,
  keep,
  takeCopy,
  type Hold,
  type Incoming,
  type Returning,
  type Source,
  type Taker,
} from './hold.ts';
import { goesAway, sendAway } from './overflow.ts';
import { isShutBy, livingOf } from './redrive.ts';
import { identityOf, type CopyNote, type OpenNote, type ShutNote } from './wire-format.ts';

/** Takes one in, behind everything that came before. */
export function takeIn(hold: Hold, incoming: Incoming): void {
  const { facts } = hold.member.context;
  const asksNothing = !wasOut(hold, incoming) && facts.isEnough(needsIn(hold, incoming));
  if (!hold.isTaking && hold.incoming.length === 0 && asksNothing) {
    const taking = incoming.take(hold, incoming, null);
    hold.member.context.look();
    if (taking !== undefined) void finishTaking(hold, taking);
    return;
  }
  hold.incoming.push(incoming);
  goOn(hold);
}

/** What comes behind one that takes its time waits for it. */
async function finishTaking(hold: Hold, taking: Promise<void>): Promise<void> {
  const { context } = hold.member;
  hold.isTaking = true;
  try {
    await taking;
  } catch (error) {
    if (context.isOpen()) context.broken(String(error));
  }
  hold.isTaking = false;
  context.look();
  goOn(hold);
}

/** Takes in what has come meanwhile. */
export function goOn(hold: Hold): void {
  if (!hold.isTaking && hold.incoming.length > 0) void takeAll(hold);
}

async function takeAll(hold: Hold): Promise<void> {
  const { context } = hold.member;
  hold.isTaking = true;
  try {
    // What comes in the same turn is asked about in one question.
    await Promise.resolve();
    while (hold.incoming.length > 0) {
      const batch = hold.incoming;
      hold.incoming = [];
      const verdicts = await verdictsOn(hold, batch);
      for (const one of batch) {
        if (!hold.isOpen || !context.isOpen()) return;
        await one.take(hold, one, verdicts.get(one) ?? null);
      }
      context.look();
    }
  } catch (error) {
    if (context.isOpen()) context.broken(String(error));
  } finally {
    hold.isTaking = false;
  }
}

/** Answers what deaths say of them, when it is known as well how their facts stand. */
export async function verdictsOn(
  hold: Hold,
  batch: readonly Incoming[],
): Promise<ReadonlyMap<Incoming, Verdict>> {
  const { member } = hold;
  const { facts } = member.context;
  const needs = batch.flatMap((one) => needsIn(hold, one));
  // Not before: a deadline that is over would speak against them.
  if (!facts.isEnough(needs)) await facts.learn(needs);
  const again = batch.filter((one) => wasOut(hold, one));
  const verdicts = new Map<Incoming, Verdict>();
  if (again.length === 0) return verdicts;
  const answers = await member.context.clerk.ask(
    again.map(({ arrived: { identity, note } }) => ({
      hash: member.hashOf(identity),
      heard: note?.kind === 'copy' ? note.heard : [],
    })),
  );
  answers.forEach((verdict, index) => void verdicts.set(again[index]!, verdict));
  return verdicts;
}

/** What it waits for here. */
function needsIn({ member }: Hold, { arrived: { message, note } }: Incoming): readonly Need[] {
  const needs = member.registered.spec.waits ? message.facts : nothing;
  if (note?.kind !== 'copy') return needs;
  return [...needs, ...note.needs, ...(note.story?.parkedFor ?? nothing)];
}

/**
 * Somebody may have died with it: it was given to another before, or is the state of one that was
 * at work with another. Who is the owner still has that one here.
 */
function wasOut({ byIdentity }: Hold, { arrived }: Incoming): boolean {
  const { identity, note, redelivered } = arrived;
  if (note !== null && note.kind !== 'copy') return false;
  return redelivered || (note?.isAtWork === true && !byIdentity.has(identity));
}

/** A message of the partition's main queue. */
export const takeMain: Taker = (hold, incoming, verdict) => {
  const { arrived, place } = incoming;
  const { message, identity } = arrived;
  const { heldBack } = hold.partition!;
  if (!arrived.redelivered) heldBack.clear();
  const known = hold.byIdentity.get(identity);
  if (known !== undefined && known.delayed !== null) takePlaceOf(known);
  if (isKnown(hold, arrived) || heldBack.has(identity)) {
    // A copy of it is, or was, here already; or it was published twice under one id.
    ackPlace(place);
    return undefined;
  }
  const shutting = message.key === null ? undefined : hold.partition!.shuts.get(message.key);
  if (arrived.redelivered && shutting !== undefined && isItsDeath(shutting.note, message)) {
    return resolveDeath(hold, incoming, verdict);
  }
  enter(hold, incoming, { verdict, order: nextOrder(hold) });
  return undefined;
};

/** A message, or a record, of the side queue while the partition is owned. */
export const takeSide: Taker = (hold, incoming, verdict) => {
  const { arrived, place } = incoming;
  const { note } = arrived;
  switch (note?.kind) {
    case 'token':
    case 'mark':
    case 'dead':
      ackPlace(place);
      return undefined;
    case 'shut':
      takeShut(hold, note, place);
      return undefined;
    case 'open':
      return openKey(hold, note).then(() => ackPlace(place));
    case 'copy':
      takeStored(hold, { incoming, note, verdict });
      return undefined;
    case undefined:
      if (isKnown(hold, arrived)) ackPlace(place);
      else if (goesAway(hold, incoming, verdict)) leave(hold, incoming);
      else if (isDelayed(hold, arrived)) delay(hold, incoming);
      else enter(hold, incoming, { verdict, order: nextOrder(hold) });
      return undefined;
  }
};

/** What could not be stored has ended the connection. */
function leave(hold: Hold, incoming: Incoming): void {
  sendAway(hold, incoming).catch(() => undefined);
}

/** It is here, or this very publish of it was done here. */
function isKnown({ byIdentity, recent }: Hold, arrived: Incoming['arrived']): boolean {
  return byIdentity.has(arrived.identity) || recent.has(arrived);
}

/** It was done here already. A dead letter that comes back is done anew. */
function isRepeated({ recent }: Hold, { incoming, note }: Stored): boolean {
  return note.returned === null && recent.has(incoming.arrived);
}

function takeShut({ partition }: Hold, note: ShutNote, place: Place): void {
  const { shuts } = partition!;
  const known = shuts.get(note.key);
  if (known === undefined) shuts.set(note.key, { note, place, last: null });
  else if (known.note.id === note.id && known.place === null) known.place = place;
  else ackPlace(place);
}

interface Stored {
  readonly incoming: Incoming;
  readonly note: CopyNote;
  readonly verdict: Verdict | null;
}

function takeStored(hold: Hold, stored: Stored): void {
  const { incoming, note, verdict } = stored;
  const { message, identity } = incoming.arrived;
  const known = hold.byIdentity.get(identity);
  const isReturning = note.returned !== null && note.isKeyed;
  const isLate = note.epoch !== null && note.epoch < hold.partition!.epoch;
  if (isLate) ackPlace(incoming.place);
  else if (known !== undefined) takeCopy(known, note.version, incoming.place);
  else if (isRepeated(hold, stored)) ackPlace(incoming.place);
  else if (isReturning && hold.partition!.shuts.has(message.key ?? '')) holdReturn(hold, incoming);
  else if (goesAway(hold, incoming, verdict)) leave(hold, incoming);
  else enter(hold, incoming, { verdict, order: note.order ?? nextOrder(hold) });
}

export interface Entering {
  readonly verdict: Verdict | null;
  readonly order: number;
}

/** Makes an entry of a message. What a death said about it is stored at once. */
export function enter(
  hold: Hold,
  { arrived, place }: Pick<Incoming, 'arrived' | 'place'>,
  entering: Entering,
): Source {
  const { context } = hold.member;
  const source = createSource(hold, { arrived, place, order: entering.order });
  const step = context.step();
  const isAccused = entering.verdict !== null && entering.verdict.suspicion !== 'none';
  const { arrival, heldUntil } = arrivalOf(source, { arrived, verdict: entering.verdict, step });
  source.entry = pushHeld(hold.table, arrival, heldUntil, step);
  if (isAccused && hold.partition !== null && !source.isDone) {
    void keep(source, source.entry).catch(() => undefined);
  }
  return source;
}

interface Past {
  readonly arrived: Incoming['arrived'];
  readonly verdict: Verdict | null;
  readonly step: Step;
}

export function arrivalOf(
  source: Source,
  { arrived, verdict, step }: Past,
): { readonly arrival: Arrival; readonly heldUntil: number } {
  const { hold, message, tag, order, acceptedAt } = source;
  const copy = arrived.note?.kind === 'copy' ? arrived.note : null;
  const key = source.isKeyed ? message.key : null;
  const past = {
    attempt: copy?.attempt ?? 1,
    readyAt: Math.max(arrived.dueAt, 0),
    story: copy?.story ?? null,
  };
  if (verdict !== null) {
    source.heard = heardOf(source.heard, verdict.heard);
    // What stood behind the head of its lane ran only if the acks of all before it were lost.
    const isHead = key === null || (hold.table.byKey.get(key)?.size ?? 0) === 0;
    if (verdict.suspicion !== 'none' && isHead) suspect(past, verdict.suspicion, step);
    else if (verdict.suspicion !== 'none') storyOf(past).wasBehind = true;
  }
  const arrival: Arrival = {
    message,
    key,
    tag,
    order,
    acceptedAt,
    needs: copy === null || copy.version === 0 ? needsOf(source) : copy.needs,
    readyAt: past.readyAt,
    attempt: past.attempt,
    story: past.story,
  };
  return { arrival, heldUntil: copy?.heldUntil ?? 0 };
}

const nothing: readonly string[] = [];

function needsOf({ hold, message }: Source): readonly string[] {
  return hold.member.registered.spec.waits ? message.facts : nothing;
}

export function nextOrder(hold: Hold): number {
  const partition = hold.partition;
  if (partition === null) return hold.member.context.nextNumber();
  partition.nextOrder += 1;
  return partition.nextOrder;
}

/** A dead letter that came back waits until all of its key are here. */
function holdReturn(hold: Hold, { arrived, place }: Incoming): void {
  const { returns } = hold.partition!;
  const source = createSource(hold, { arrived, place, order: 0 });
  const key = source.message.key!;
  returns.set(key, [...(returns.get(key) ?? []), { source, arrived }]);
}

/**
 * Opens a key whose dead letters came back. Whoever sent them back saw them before this: what was
 * diverted since stands behind them, and comes back with them.
 */
export async function openKey(hold: Hold, { key, upTo }: OpenNote): Promise<void> {
  const shut = hold.partition!.shuts.get(key);
  if (shut === undefined) return;
  const isWhole = shut.last !== null && !isLater(shut.last, upTo);
  await (isWhole ? open(hold, key, []) : openWhole(hold, key));
}

async function openWhole(hold: Hold, key: string): Promise<void> {
  const { context, registered } = hold.member;
  await lookAtDead(context, registered, {
    wants: (letter) => isShutBy(letter, key),
    async work(left) {
      if (!hold.isOpen) return;
      const returning = left.map((letter) => returningOf(hold, letter));
      await open(hold, key, returning);
      for (const { place } of left) ackPlace(place);
    },
  });
}

/** A dead letter that comes back without having been sent: its copy is yet to be stored. */
function returningOf(hold: Hold, letter: Letter): Returning {
  const { message, acceptedAt } = letter;
  const note = livingOf(hold.member.context.host, letter, { isKeyed: true });
  const identity = identityOf(message);
  const arrived = { message, identity, acceptedAt, dueAt: 0, note, redelivered: false };
  return { source: createSource(hold, { arrived, place: null, order: 0 }), arrived };
}

/**
 * The dead letters of a key go before all others of it, and the key opens. Resolves when their new
 * places are stored; the record that held them back goes then, and not before.
 */
async function open(hold: Hold, key: string, left: readonly Returning[]): Promise<void> {
  const { table, partition, member } = hold;
  const { shuts, returns } = partition!;
  const step = member.context.step();
  const returning = [...(returns.get(key) ?? []), ...left];
  returns.delete(key);
  const head = table.byKey.get(key)?.head ?? null;
  const first = head === null ? nextOrder(hold) : (member.sources.get(head.tag)?.order ?? 0);
  const arrivals = returning.map(({ source, arrived }, index) => {
    source.order = first - returning.length + index;
    return arrivalOf(source, { arrived, verdict: null, step }).arrival;
  });
  reopen(table, { key, arrivals }, step);
  for (const { source } of returning) source.entry = entryOf(table, source);
  const shut = shuts.get(key);
  shuts.delete(key);
  member.context.look();
  const kept = returning.map(async ({ source }) => {
    if (source.entry !== null && !source.isDone) await keep(source, source.entry);
  });
  await Promise.all(kept);
  if (shut?.place && hold.isOpen) ackPlace(shut.place);
}

function entryOf(table: Hold['table'], { tag, message }: Source): Entry | null {
  return entriesNamed(table, message.id).find((entry) => entry.tag === tag) ?? null;
}

export function isItsDeath(
  note: { readonly id: string; readonly topic: string },
  message: { readonly id: string; readonly topic: string },
): boolean {
  return note.id === message.id && note.topic === message.topic;
}

/** It was dying when its owner died: its dead letter is stored, or it lives and its key opens. */
export async function resolveDeath(
  hold: Hold,
  incoming: Incoming,
  verdict: Verdict | null,
): Promise<void> {
  const { message } = incoming.arrived;
  const key = message.key!;
  if (await isStillDead(hold.member, message)) {
    ackPlace(incoming.place);
    return;
  }
  const shutting = hold.partition!.shuts.get(key);
  hold.partition!.shuts.delete(key);
  if (shutting?.place) ackPlace(shutting.place);
  reopen(hold.table, { key, arrivals: [] }, hold.member.context.step());
  enter(hold, incoming, { verdict, order: nextOrder(hold) });
}
