/**
 * Keys that a dead letter holds shut: what comes back for them waits, and once all of a key are
 * here it opens, the dead ones before all others.
 */

import { reopen, shut as shutLane } from '../../transport/lane-table-lanes.ts';
import { entriesNamed } from '../../transport/lane-table-names.ts';
import type { Entry } from '../../transport/lane-table.ts';
import { ackPlace, type Place } from './ack-book.ts';
import type { Verdict } from './clerk.ts';
import { isStillDead } from './dead.ts';
import { isLater, lookAtDead } from './dead-look.ts';
import { arrivalOf, enter, nextOrder } from './entering.ts';
import type { Hold, Incoming, Shutting, Source } from './hold.ts';
import { isShutBy, lastTurn, returnOf } from './redrive.ts';
import { createSource, keep, store } from './source.ts';
import { copyNoteOf, recordOf, type OpenNote, type ShutNote, type Turn } from './wire-format.ts';

export function takeShut({ partition }: Hold, note: ShutNote, place: Place): void {
  const { shuts } = partition!;
  const known = shuts.get(note.key);
  if (known === undefined) shuts.set(note.key, { note, place, since: null, last: null });
  else if (known.note.id === note.id && known.place === null) known.place = place;
  else ackPlace(place);
}

/**
 * The records that say something. One that came behind the token of a later owner is about a death
 * that the later one may know nothing of: it counts if that was stored.
 */
export async function withoutUnfounded(
  hold: Hold,
  records: readonly Incoming[],
): Promise<Incoming[]> {
  const founded: Incoming[] = [];
  for (const one of records) {
    const { note } = one.arrived;
    const isFounded =
      note?.kind !== 'shut' || !one.isLate || (await isStillDead(hold.member, note));
    if (isFounded) founded.push(one);
    else ackPlace(one.place);
  }
  return founded;
}

/** A dead letter that came back waits until all of its key are here. */
export function holdReturn(hold: Hold, { arrived, place }: Incoming): void {
  const { returns } = hold.partition!;
  const source = createSource(hold, { arrived, place, order: 0 });
  const key = source.message.key!;
  returns.set(key, [...(returns.get(key) ?? []), { source, arrived }]);
}

/**
 * Opens a key whose dead letters came back. Whoever sent them back saw them before this: what was
 * diverted since, and what somebody else has just sent back, goes with them.
 */
export async function openKey(hold: Hold, { key, upTo }: OpenNote): Promise<void> {
  const shut = hold.partition!.shuts.get(key);
  if (shut === undefined || isEarlier(upTo, shut)) return;
  if (shut.last !== null && !isLater(shut.last, upTo)) await open(hold, key);
  else await sendRest(hold, shut, upTo);
}

/** It is about deaths before the one that holds the key shut now. */
function isEarlier(upTo: Turn | null, { since }: Shutting): boolean {
  return upTo !== null && since !== null && isLater(since, upTo);
}

/**
 * Sends back the dead letters of a key that are left, and behind them another record that opens
 * it. What others had sent back stands before that: one has the dead letters at a time.
 */
async function sendRest(hold: Hold, shut: Shutting, upTo: Turn | null): Promise<void> {
  const { member, partition, table } = hold;
  const { context, registered } = member;
  const { key } = shut.note;
  // From now on nothing more is diverted.
  shutLane(table, key, 'blocked');
  await lookAtDead(context, registered, {
    wants: (letter) => isShutBy(letter, key),
    async work(left) {
      if (!hold.isOpen) return;
      for (const turn of [upTo, lastTurn(left, key)]) {
        if (isLater(turn, shut.last)) shut.last = turn;
      }
      const queue = registered.queues.side[partition!.index]!;
      const opening = { kind: 'open', key, upTo: shut.last } as const;
      const sendings = left.map((letter) => returnOf(context, registered, letter));
      sendings.push(recordOf(queue, opening, context.host.newId()));
      await store(context, () => context.publisher.send(...sendings));
      for (const { place } of left) ackPlace(place);
    },
  });
}

/**
 * The dead letters of a key go before all others of it, and the key opens. Resolves when their new
 * places are stored; the record that held them back goes then, and not before.
 */
async function open(hold: Hold, key: string): Promise<void> {
  const { table, partition, member } = hold;
  const { shuts, returns } = partition!;
  const step = member.context.step();
  const returning = returns.get(key) ?? [];
  returns.delete(key);
  const head = table.byKey.get(key)?.head ?? null;
  const first = head === null ? nextOrder(hold) : (member.sources.get(head.tag)?.order ?? 0);
  const arrivals = returning.map(({ source, arrived }, index) => {
    source.order = first - returning.length + index;
    return arrivalOf(source, { arrived, verdict: null, step });
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
  const order = copyNoteOf(incoming.arrived)?.order ?? nextOrder(hold);
  enter(hold, incoming, { verdict, order });
}
