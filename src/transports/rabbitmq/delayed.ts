/**
 * Messages of the side queue that are not due yet.
 *
 * One with a key waits outside the lanes. When it is due it goes to the main queue, behind all that
 * was accepted before, as if it had been published just then; a copy that is there already, because
 * the last owner died in between, takes its place. What is due later than is held here goes back to
 * a queue of the server in which time passes.
 */

import { heapPush, heapRemove } from '../../transport/heap.ts';
import { ackPlace } from './ack-book.ts';
import type { Hold, Incoming, Member, Source } from './hold.ts';
import { createSource, forgetIdentity, store } from './source.ts';
import { sendingOf, type Arrived } from './wire-format.ts';
import { exchangeFor } from './names.ts';

/** Whether a message is held here instead of in the lanes. */
export function isDelayed({ member, partition }: Hold, { message, dueAt, note }: Arrived): boolean {
  if (partition === null || note !== null || dueAt === 0) return false;
  const isKeyed = member.registered.spec.order === 'key' && message.key !== null;
  return isKeyed || isFar(member, dueAt);
}

function isFar({ context: { host, settings } }: Member, dueAt: number): boolean {
  return dueAt - host.clock.now() > settings.limits.longestHeldMs;
}

export function delay(hold: Hold, { arrived, place }: Incoming): void {
  const { context } = hold.member;
  const source = createSource(hold, { arrived, place, order: 0 });
  if (isFar(hold.member, arrived.dueAt)) {
    void sendOn(source, { isDue: false }).catch(() => undefined);
    return;
  }
  const at = arrived.dueAt;
  source.delayed = { at, order: context.nextNumber(), position: -1, source };
  heapPush(hold.delayed, source.delayed);
  context.look();
}

/** Sends what is due to the main queue. */
export function sendDue({ delayed }: Hold, now: number): void {
  for (
    let [first] = delayed.items;
    first !== undefined && first.at <= now;
    [first] = delayed.items
  ) {
    heapRemove(delayed, first);
    void sendOn(first.source, { isDue: true }).catch(() => undefined);
  }
}

/** It was sent to the main queue before: what waits here is that message once more. */
export function takePlaceOf(source: Source): void {
  const { hold, delayed, place } = source;
  if (delayed !== null && delayed.position >= 0) heapRemove(hold.delayed, delayed);
  source.isDone = true;
  hold.member.sources.delete(source.tag);
  forgetIdentity(source);
  if (place !== null) ackPlace(place);
  source.place = null;
}

async function sendOn(source: Source, { isDue }: { readonly isDue: boolean }): Promise<void> {
  const { hold, message, acceptedAt } = source;
  const { context, registered } = hold.member;
  const { index } = hold.partition!;
  const { main, side } = registered.queues;
  const remainingMs = acceptedAt + message.delayMs - context.host.clock.now();
  // The partition is not let go before it is stored where it goes.
  source.isCopying = true;
  hold.partition!.leaving += 1;
  const placed = { lane: index, acceptedAt };
  const sending = isDue
    ? { ...placed, exchange: '', key: main[index]!, message: { ...message, delayMs: 0 } }
    : {
        ...placed,
        exchange: exchangeFor(context.names, remainingMs, context.settings.limits)!,
        key: side[index]!,
        message,
      };
  await store(context, async () => {
    if (!isDue) await context.later();
    await context.messages.send(sendingOf(sending));
  });
  source.isCopying = false;
  hold.partition!.leaving -= 1;
  if (hold.isOpen && !source.isDone) takePlaceOf(source);
  context.look();
}
