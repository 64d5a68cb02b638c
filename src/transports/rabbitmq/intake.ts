/**
 * How what the server pushes is taken in, one after the other. What was pushed before is asked
 * about first: whether somebody died with it.
 */

import type { Need } from '../../transport/transport.ts';
import { ackPlace } from './ack-book.ts';
import type { Verdict } from './clerk.ts';
import { delay, isDelayed, takePlaceOf } from './delayed.ts';
import { enter, needsOf, nextOrder } from './entering.ts';
import type { Hold, Incoming, Source, Taker } from './hold.ts';
import { goesAway, sendAway } from './overflow.ts';
import { holdReturn, isItsDeath, openKey, resolveDeath, takeShut } from './shut-keys.ts';
import { takeAgain, takeCopy } from './source.ts';
import { copyNoteOf, type CopyNote } from './wire-format.ts';

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
    again.map(({ arrived }) => ({
      hash: member.hashOf(arrived.identity),
      heard: copyNoteOf(arrived)?.heard ?? [],
    })),
  );
  answers.forEach((verdict, index) => void verdicts.set(again[index]!, verdict));
  return verdicts;
}

/** What it waits for, and has waited for. */
function needsIn(hold: Hold, { arrived: { message, note } }: Incoming): readonly Need[] {
  const needs = needsOf(hold, message);
  if (note?.kind !== 'copy') return needs;
  return [...needs, ...note.needs, ...(note.story?.parkedFor ?? [])];
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
  if (known !== undefined && takeAgain(known, incoming)) return undefined;
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
      // Who put queues back took this one for lost. What is written here from now on would be late.
      if (note.epoch > hold.partition!.epoch) hold.member.context.broken(another(hold));
      else ackPlace(place);
      return undefined;
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

function another({ member, partition }: Hold): string {
  return `partition ${partition!.index} of "${member.registered.name}" has another token`;
}

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

interface Stored {
  readonly incoming: Incoming;
  readonly note: CopyNote;
  readonly verdict: Verdict | null;
}

/**
 * It died here, and comes back: behind a copy that is on its way still, or before this process has
 * heard that its dead letter is stored.
 */
function livesAnew({ isDone, death }: Source, { returned }: CopyNote): boolean {
  return returned !== null && (isDone || death === returned);
}

function takeStored(hold: Hold, stored: Stored): void {
  const { incoming, note, verdict } = stored;
  const { message, identity } = incoming.arrived;
  const known = hold.byIdentity.get(identity);
  const isReturning = note.returned !== null && note.isKeyed;
  const isThere = known !== undefined && !livesAnew(known, note);
  if (isThere) takeCopy(known, note.version, incoming.place);
  else if (isRepeated(hold, stored)) ackPlace(incoming.place);
  else if (isReturning && hold.partition!.shuts.has(message.key ?? '')) holdReturn(hold, incoming);
  else if (goesAway(hold, incoming, verdict)) leave(hold, incoming);
  else enter(hold, incoming, { verdict, order: note.order ?? nextOrder(hold) });
}
