/**
 * What an owner holds back has a limit: what it is given unacknowledged has one, and its own token,
 * and every copy that comes back, must still fit in. At the limit nothing new of the partition is
 * taken in, so what has an order cannot go beyond it. What has none, or is not due yet, may come
 * from anywhere: it goes to a queue of the server for a while, before that limit is reached.
 */

import { isMet } from '../../message/need.ts';
import type { Verdict } from './clerk.ts';
import { takePlaceOf } from './delayed.ts';
import type { Hold, Incoming } from './hold.ts';
import { createSource, store } from './source.ts';
import { laterQueue } from './names.ts';
import type { Step } from './settings.ts';
import { copyNoteOf, sendingOf, type Arrived, type CopyNote } from './wire-format.ts';

/** Nothing new of the partition is taken in. */
export function isFull(hold: Hold): boolean {
  return heldBy(hold) >= hold.member.context.settings.limits.held;
}

function heldBy({ partition }: Hold): number {
  return partition === null ? 0 : partition.side.unacked - partition.leaving;
}

/** Whether it must not, and need not, stay here. */
export function goesAway(hold: Hold, { arrived }: Incoming, verdict: Verdict | null): boolean {
  // What may have killed a process is stored with that first.
  if (verdict !== null && verdict.suspicion !== 'none') return false;
  if (heldBy(hold) < hold.member.context.settings.limits.away) return false;
  const { message, note, dueAt } = arrived;
  if (note !== null) return note.kind === 'copy' && !note.isKeyed;
  const { context, registered } = hold.member;
  const isKeyed = registered.spec.order === 'key' && message.key !== null;
  return !isKeyed || dueAt > context.host.clock.now();
}

/** It comes back to the side queue by itself. */
export async function sendAway(hold: Hold, { arrived, place }: Incoming): Promise<void> {
  const { context, registered } = hold.member;
  const source = createSource(hold, { arrived, place, order: 0 });
  const { message, acceptedAt } = source;
  const exchange = laterQueue(context.names, stepOf(hold, arrived));
  const key = registered.queues.side[hold.partition!.index]!;
  const sending = { exchange, key, message, acceptedAt };
  const copy = copyNoteOf(arrived);
  // It leaves this owner, and may come back to another one.
  const note: CopyNote | null = copy === null ? null : { ...copy, isAway: true, order: null };
  // The partition is not let go before it is stored where it goes.
  source.isCopying = true;
  hold.partition!.leaving += 1;
  await store(context, async () => {
    await context.later();
    await context.publisher.send(sendingOf(note === null ? sending : { ...sending, note }));
  });
  source.isCopying = false;
  hold.partition!.leaving -= 1;
  if (hold.isOpen && !source.isDone) takePlaceOf(source);
  context.look();
}

/** The longest that is over before anything happens to the message by itself; else the shortest. */
function stepOf(hold: Hold, arrived: Arrived): Step {
  const { longestHeldMs, steps } = hold.member.context.settings.limits;
  const leftMs = Math.min(longestHeldMs, standsUntil(hold, arrived) - now(hold));
  return steps.findLast(({ ms }) => ms <= leftMs) ?? steps[0]!;
}

function standsUntil(hold: Hold, arrived: Arrived): number {
  const { message, acceptedAt, dueAt } = arrived;
  const { registered, context } = hold.member;
  const { spec } = registered;
  const copy = copyNoteOf(arrived);
  const dueOrHeld = Math.max(dueAt, copy?.heldUntil ?? 0);
  if (dueOrHeld > now(hold)) return dueOrHeld;
  const isNew = copy === null || copy.version === 0;
  const needs = !isNew ? copy.needs : spec.waits ? message.facts : [];
  if (needs.every((need) => isMet(need, context.facts))) return now(hold);
  return (copy?.story?.waitsSince ?? acceptedAt) + spec.waitingDeadlineMs;
}

function now(hold: Hold): number {
  return hold.member.context.host.clock.now();
}
