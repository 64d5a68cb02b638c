/**
 * The queue of the messages without order, which all processes of a subscription share.
 *
 * Only what is new is worked on from here. A message that waits, was tried, or was out when its
 * process died moves to the side queue of a partition, whose owner goes on with it.
 */

import { remove } from '../../transport/lane-table-lanes.ts';
import { suspect } from '../../transport/lane-table-settle.ts';
import type { Entry } from '../../transport/lane-table.ts';
import { ackPlace, createAckBook, placeOf, returnPlace } from './ack-book.ts';
import type { Verdict } from './clerk.ts';
import {
  createHold,
  createSource,
  finish,
  keep,
  type Hold,
  type Incoming,
  type Member,
  type Source,
} from './hold.ts';
import { arrivalOf, enter, nextOrder, takeIn } from './intake.ts';
import { arrivedOf, identityOf } from './wire-format.ts';

/** How many messages the server may push at the least and at the most. */
const smallestWindow = 8;
const largestWindow = 2_048;

export interface Shared {
  readonly hold: Hold;
  /** Lets the server push as many as are asked for. */
  refresh(): void;
  /** Gives back what nobody works on. */
  stop(): void;
}

interface State {
  readonly hold: Hold;
  tag: string | null;
  changing: Promise<void> | null;
  isStopped: boolean;
}

export async function openShared(member: Member): Promise<Shared> {
  const { context } = member;
  const hold = createHold(member, null);
  member.holds.add(hold);
  const channel = await context.wire.model.createChannel();
  hold.book = createAckBook(channel);
  channel.on('error', () => undefined);
  channel.on('close', () => {
    if (hold.isOpen && !member.isForgotten) context.broken('the channel of a queue was closed');
  });
  const state: State = { hold, tag: null, changing: null, isStopped: false };
  await resize(state, wanted(hold));
  return {
    hold,
    refresh: () => refresh(state),
    stop: () => stop(state),
  };
}

/** As many as may be out at once, and no more: what is prefetched is kept from the others. */
function wanted({ member, table }: Hold): number {
  let window = 0;
  for (const { slots, credit, stopped } of member.consumers) {
    if (!stopped) window += Math.max(slots, credit);
  }
  const needed = Math.max(smallestWindow, window, table.counts.leased);
  return Math.min(largestWindow, 2 ** Math.ceil(Math.log2(needed)));
}

function refresh(state: State): void {
  const { hold } = state;
  const isAsked = [...hold.member.consumers].some(({ stopped }) => !stopped);
  if (state.changing !== null || !hold.isOpen || !isAsked) return;
  const window = wanted(hold);
  // Growing is worth a call at once; shrinking only when much would be kept from others.
  if (!state.isStopped && window <= hold.prefetch && window * 8 > hold.prefetch) return;
  state.isStopped = false;
  state.changing = resize(state, window)
    .catch((error: unknown) => {
      if (hold.isOpen) hold.member.context.broken(String(error));
    })
    .finally(() => (state.changing = null));
}

async function resize(state: State, window: number): Promise<void> {
  const { hold } = state;
  const { member } = hold;
  const { channel } = hold.book!;
  const before = state.tag;
  hold.prefetch = window;
  await channel.prefetch(window);
  const queue = member.registered.queues.shared;
  const { consumerTag } = await channel.consume(queue, (message) => {
    if (message === null) {
      if (!member.isForgotten) member.context.broken(`"${queue}" was deleted`);
      return;
    }
    const place = placeOf(hold.book!, message);
    if (!hold.isOpen) return;
    if (state.isStopped) {
      returnPlace(place);
      return;
    }
    const arrived = arrivedOf(message, member.context.host.clock.now());
    takeIn(hold, { arrived, place, take: takeShared });
  });
  state.tag = consumerTag;
  if (before !== null) await channel.cancel(before);
  if (state.isStopped && state.tag !== null) await channel.cancel(consumerTag);
}

function stop(state: State): void {
  const { hold } = state;
  if (!hold.isOpen || state.isStopped) return;
  state.isStopped = true;
  const { tag } = state;
  state.tag = null;
  if (tag !== null && state.changing === null) {
    void hold.book!.channel.cancel(tag).catch(() => undefined);
  }
  const step = hold.member.context.step();
  for (const source of [...hold.byIdentity.values()]) {
    const { entry, place } = source;
    if (entry === null || entry.lease !== null || place === null) continue;
    remove(hold.table, entry, step);
    source.place = null;
    finish(source);
    returnPlace(place);
  }
}

function takeShared(hold: Hold, incoming: Incoming, verdict: Verdict | null): void {
  const { member } = hold;
  const { context, registered } = member;
  const { arrived, place } = incoming;
  const { message, dueAt } = arrived;
  if (hold.byIdentity.has(identityOf(message))) {
    ackPlace(place);
    return;
  }
  const waits = registered.spec.waits && message.facts.some((fact) => !context.facts.has(fact));
  const isLate = dueAt > context.host.clock.now();
  if (waits || isLate || (verdict !== null && verdict.suspicion !== 'none')) {
    moveNew(hold, incoming, verdict);
    return;
  }
  enter(hold, incoming, { verdict: null, order: nextOrder(hold) });
}

/** Sends a message that nobody has tried here to a partition, with what is known about it. */
function moveNew(hold: Hold, incoming: Incoming, verdict: Verdict | null): void {
  const { arrived, place } = incoming;
  const source = createSource(hold, { arrived, place, order: 0 });
  const step = hold.member.context.step();
  const { arrival } = arrivalOf(source, { arrived, verdict: null, step });
  const past = { attempt: 1, readyAt: 0, story: null as Entry['story'] };
  if (verdict !== null) {
    source.heard = verdict.heard;
    if (verdict.suspicion !== 'none') suspect(past, verdict.suspicion, step);
  }
  const state = { ...past, needs: arrival.needs, state: 'ready' } as unknown as Entry;
  void keep(source, state).then(
    () => finish(source),
    () => undefined,
  );
}

/** Sends a message that was tried here to a partition, in the state it is in. */
export async function moveAway(source: Source, entry: Entry): Promise<void> {
  const { hold } = source;
  const stored = keep(source, entry);
  remove(hold.table, entry, hold.member.context.step());
  await stored;
  finish(source);
}
