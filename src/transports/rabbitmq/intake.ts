/**
 * How what the server pushes becomes entries of a lane table. What was pushed before is asked
 * about first: whether somebody died with it.
 */

import { pushHeld, reopen, type Arrival } from '../../transport/lane-table-lanes.ts';
import { suspect } from '../../transport/lane-table-settle.ts';
import { entriesNamed } from '../../transport/lane-table-names.ts';
import type { Entry, Step } from '../../transport/lane-table.ts';
import { ackPlace } from './ack-book.ts';
import type { Verdict } from './clerk.ts';
import { isStillDead } from './dead.ts';
import {
  createSource,
  hashOf,
  keep,
  takeCopy,
  type Hold,
  type Incoming,
  type Source,
  type Taker,
} from './hold.ts';
import { identityOf } from './wire-format.ts';

/** Takes one in, behind everything that came before. */
export function takeIn(hold: Hold, incoming: Incoming): void {
  if (!hold.isTaking && hold.incoming.length === 0 && !incoming.arrived.redelivered) {
    void incoming.take(hold, incoming, null);
    hold.member.context.look();
    return;
  }
  hold.incoming.push(incoming);
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

export async function verdictsOn(
  { member }: Hold,
  batch: readonly Incoming[],
): Promise<ReadonlyMap<Incoming, Verdict>> {
  const again = batch.filter(({ arrived }) => arrived.redelivered && isMessage(arrived.note));
  const verdicts = new Map<Incoming, Verdict>();
  if (again.length === 0) return verdicts;
  const answers = await member.context.clerk.ask(
    again.map(({ arrived: { message, note } }) => ({
      hash: hashOf(member, identityOf(message)),
      heard: note?.kind === 'copy' ? note.heard : [],
    })),
  );
  answers.forEach((verdict, index) => void verdicts.set(again[index]!, verdict));
  return verdicts;
}

function isMessage(note: Incoming['arrived']['note']): boolean {
  return note === null || note.kind === 'copy';
}

/** A message of the partition's main queue. */
export const takeMain: Taker = (hold, incoming, verdict) => {
  const { arrived, place } = incoming;
  const { message } = arrived;
  if (hold.byIdentity.has(identityOf(message))) {
    // A copy of it is here already, or it was published twice under one id.
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
  const { note, message } = arrived;
  const partition = hold.partition!;
  switch (note?.kind) {
    case 'token':
    case 'mark':
    case 'dead':
      ackPlace(place);
      return;
    case 'shut': {
      const known = partition.shuts.get(note.key);
      if (known?.note.id === note.id && known.place === null) known.place = place;
      else if (known !== undefined) ackPlace(place);
      else partition.shuts.set(note.key, { note, place });
      return;
    }
    case 'open':
      open(hold, note.key);
      ackPlace(place);
      return;
    case 'copy': {
      const known = hold.byIdentity.get(identityOf(message));
      if (known !== undefined) {
        takeCopy(known, note.version, place);
        return;
      }
      const isReturning = note.returned !== null && message.key !== null;
      if (isReturning && partition.shuts.has(message.key)) {
        holdReturn(hold, incoming);
        return;
      }
      enter(hold, incoming, { verdict, order: note.order ?? nextOrder(hold) });
      return;
    }
    case undefined:
      if (hold.byIdentity.has(identityOf(message))) ackPlace(place);
      else enter(hold, incoming, { verdict, order: nextOrder(hold) });
  }
};

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
  const { spec } = hold.member.registered;
  const copy = arrived.note?.kind === 'copy' ? arrived.note : null;
  const key = spec.order === 'key' ? message.key : null;
  const past = {
    attempt: copy?.attempt ?? 1,
    readyAt: Math.max(arrived.dueAt, 0),
    story: copy?.story ?? null,
  };
  if (verdict !== null) {
    source.heard = [...source.heard, ...verdict.heard];
    // What stood behind the head of its lane was delivered with it, and cannot have been running.
    const isHead = key === null || (hold.table.byKey.get(key)?.size ?? 0) === 0;
    if (verdict.suspicion !== 'none' && isHead) suspect(past, verdict.suspicion, step);
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

/** The dead letters of a key go before all others of it, and the key opens. */
function open(hold: Hold, key: string): void {
  const { table, partition, member } = hold;
  const { shuts, returns } = partition!;
  const step = member.context.step();
  const returning = returns.get(key) ?? [];
  returns.delete(key);
  const head = table.byKey.get(key)?.head ?? null;
  const first = head === null ? nextOrder(hold) : (member.sources.get(head.tag)?.order ?? 0);
  const arrivals = returning.map(({ source, arrived }, index) => {
    source.order = first - returning.length + index;
    return arrivalOf(source, { arrived, verdict: null, step }).arrival;
  });
  reopen(table, { key, arrivals }, step);
  for (const { source } of returning) source.entry = entryOf(table, source);
  const shutting = shuts.get(key);
  shuts.delete(key);
  // Their new places are stored before the record goes that held them back.
  const kept = returning.map(async ({ source }) => {
    if (source.entry !== null && !source.isDone) await keep(source, source.entry);
  });
  void Promise.all(kept).then(
    () => void (shutting?.place && hold.isOpen && ackPlace(shutting.place)),
    () => undefined,
  );
  member.context.look();
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
