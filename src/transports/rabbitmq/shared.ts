/**
 * The queue of the messages without order, which all processes of a subscription share.
 *
 * Only what is new is worked on from here. A message that waits, was tried, or was out when its
 * process died moves to the side queue of a partition, whose owner goes on with it.
 */

import type { Channel, ConsumeMessage } from 'amqplib';
import type { Timer } from '../../clock.ts';
import { isMet } from '../../message/need.ts';
import { remove } from '../../transport/lane-table-lanes.ts';
import { suspect } from '../../transport/lane-table-settle.ts';
import type { Entry } from '../../transport/lane-table.ts';
import { ackPlace, createAckBook, placeOf, returnPlace } from './ack-book.ts';
import type { Verdict } from './clerk.ts';
import { whenClosed } from './driver.ts';
import { givenBackNote } from './given-back.ts';
import { createHold, type Hold, type Incoming, type Member, type Source } from './hold.ts';
import { createSource, finish, takeAgain, keep, store } from './source.ts';
import { arrivalOf, enter, nextOrder } from './entering.ts';
import { takeIn } from './intake.ts';
import { nextChange, type Change, type Feed, type Room } from './shared-window.ts';
import { arrivedOf } from './wire-format.ts';

export interface Shared {
  readonly hold: Hold;
  /** Lets the server push as many as there is room for. */
  refresh(): void;
  /** Others get what stands here and finds no room. */
  renew(): void;
  /** Gives back what nobody works on. */
  stop(): void;
}

/** A consumer of the queue. */
interface SharedFeed extends Feed {
  readonly tag: string;
}

interface State {
  readonly hold: Hold;
  feeds: SharedFeed[];
  changing: Promise<void> | null;
  isStopped: boolean;
  /** Since when the window has been too large, by the monotonic clock. */
  tooLargeSince: number | null;
  timer: Timer | null;
  isOffering: boolean;
}

/** A window that is too large for a moment stays as it is. */
const shrinkAfterMs = 250;
/** What there is no room for here is offered to others after a while. */
const longestIdleMs = 1_000;
/** What the server's own support of AMQP 1.0 asks a queue with. */
const nothingAsked = { 'x-credit': { credit: { '!': 'int64', value: 0 }, drain: false } };

export async function openShared(member: Member): Promise<Shared> {
  const { context } = member;
  const channel = await member.channels.open();
  const hold = createHold(member, null);
  member.holds.add(hold);
  hold.book = createAckBook(channel, member.registered.queues.shared);
  whenClosed(channel, (because) => {
    if (!hold.isOpen || member.isForgotten) return;
    context.broken(`the channel of a queue was closed${because}`);
  });
  const state: State = {
    hold,
    feeds: [],
    changing: null,
    isStopped: false,
    tooLargeSince: null,
    timer: null,
    isOffering: false,
  };
  const first = nextChange(state.feeds, roomOf(hold));
  await Promise.all([openAnchor(state), first === null ? null : apply(state, first)]);
  return {
    hold,
    refresh: () => refresh(state),
    renew: () => renew(state),
    stop: () => stop(state),
  };
}

function roomOf({ member, table }: Hold): Room & { readonly credit: number } {
  let slots = 0;
  let credit = 0;
  for (const consumer of member.consumers) {
    if (consumer.stopped) continue;
    slots += consumer.slots;
    credit += consumer.credit;
  }
  let leased = -member.settlingCount;
  for (const { table: each } of member.holds) leased += each.counts.leased;
  const own = Math.max(0, table.counts.leased - member.settlingCount);
  return { messages: credit + own, ahead: Math.max(0, credit + leased - slots), credit };
}

function refresh(state: State): void {
  const { hold } = state;
  const isAsked = [...hold.member.consumers].some(({ stopped }) => !stopped);
  if (state.changing !== null || !hold.isOpen || !isAsked) return;
  state.isStopped = false;
  state.feeds = state.feeds.filter(({ isOpen, unacked }) => isOpen || unacked > 0);
  const change = nextChange(state.feeds, roomOf(hold));
  if (change?.isShrinking !== true) state.tooLargeSince = null;
  else if (!isLasting(state)) return;
  if (change === null) return;
  state.changing = apply(state, change)
    .catch((error: unknown) => {
      if (hold.isOpen) hold.member.context.broken(String(error));
    })
    .finally(() => {
      state.changing = null;
      hold.member.context.look();
    });
}

function isLasting(state: State): boolean {
  const { clock } = state.hold.member.context.host;
  state.tooLargeSince ??= clock.monotonic();
  const leftMs = state.tooLargeSince + shrinkAfterMs - clock.monotonic();
  if (leftMs > 0) lookIn(state, leftMs);
  return leftMs <= 0;
}

function lookIn(state: State, ms: number): void {
  const { context } = state.hold.member;
  state.timer ??= context.host.clock.setTimer(() => {
    state.timer = null;
    context.look();
  }, ms);
  state.timer.unref();
}

/** Where nothing is to run dry, the next feed is opened before the last ones are closed. */
async function apply(state: State, { open, close }: Change<SharedFeed>): Promise<void> {
  const { channel } = state.hold.book!;
  if (open > 0) await openFeed(state, open);
  await Promise.all(close.map((feed) => closeFeed(channel, feed)));
  if (state.isStopped) await closeAll(state);
}

async function closeAll({ hold, feeds }: State): Promise<void> {
  const open = feeds.filter(({ isOpen }) => isOpen);
  await Promise.all(open.map((feed) => closeFeed(hold.book!.channel, feed)));
}

async function closeFeed(channel: Channel, feed: SharedFeed): Promise<void> {
  feed.isOpen = false;
  await channel.cancel(feed.tag);
}

/**
 * A consumer that is given nothing, and stays. When a server of a cluster dies, a quorum queue
 * takes back what consumers there had, but not from those that were cancelled: it lies where it is
 * until the queue has another leader. Once the server is back, the queue looks for the channels of
 * consumers that were not cancelled, finds them gone, and takes back all that these channels had:
 * so each channel has such a one. (`rabbit_fifo` of 3.10, `{down, _, noconnection}`.)
 *
 * From 4.x on it may be given one message: there is no way to ask for none.
 */
async function openAnchor(state: State): Promise<void> {
  const { member, book } = state.hold;
  const { channel } = book!;
  if (member.context.settings.queues !== 'quorum') return;
  const anchor: Feed = { limit: 0, unacked: 0, isOpen: true };
  const asked = channel.prefetch(1);
  const opened = channel.consume(
    member.registered.queues.shared,
    (message) => came(state, anchor, message),
    { arguments: nothingAsked },
  );
  await Promise.all([asked, opened]);
}

/** Those of the others as well. */
function anchorsOf({ context: { settings, presence }, registered }: Member): number {
  return settings.queues === 'quorum' ? 1 + presence.peersOf(registered.name).length : 0;
}

async function openFeed(state: State, limit: number): Promise<void> {
  const { hold } = state;
  const { member } = hold;
  const { channel } = hold.book!;
  const { shared: queue } = member.registered.queues;
  const tag = member.context.host.newId();
  const feed: SharedFeed = { tag, limit, unacked: 0, isOpen: true };
  state.feeds.push(feed);
  const asked = channel.prefetch(limit);
  const opened = channel.consume(queue, (message) => came(state, feed, message), {
    consumerTag: tag,
  });
  await Promise.all([asked, opened]);
}

function came(state: State, feed: Feed, message: ConsumeMessage | null): void {
  const { hold } = state;
  const { member } = hold;
  if (message === null) {
    const { shared: queue } = member.registered.queues;
    if (!member.isForgotten) member.context.broken(`"${queue}" was deleted`);
    return;
  }
  const place = placeOf(hold.book!, message, feed);
  if (!hold.isOpen) return;
  if (state.isStopped) {
    returnPlace(place);
    return;
  }
  const arrived = arrivedOf(message, member.context.host.clock.now());
  takeIn(hold, { arrived, place, take: takeShared });
}

function stop(state: State): void {
  const { hold } = state;
  if (!hold.isOpen || state.isStopped) return;
  state.isStopped = true;
  if (state.changing === null) void closeAll(state).catch(() => undefined);
  for (const source of [...hold.byIdentity.values()]) giveBack(source);
}

function renew(state: State): void {
  const { hold } = state;
  const { member, byIdentity, table } = hold;
  const { ahead, credit } = roomOf(hold);
  const now = member.context.host.clock.monotonic();
  const isFull = ahead === 0 && credit === 0 && table.counts.ready > 0 && !table.paused;
  for (const source of byIdentity.values()) {
    // They stand in the order of their coming.
    const hereMs = now - source.cameAt;
    if (hereMs >= member.context.longestUnacked()) giveBack(source);
    else if (!isFull) return;
    else if (isIdle(source)) {
      if (hereMs >= longestIdleMs) offer(state);
      else lookIn(state, longestIdleMs - hereMs);
      return;
    }
  }
}

/** It is neither at work nor on its way to a partition. */
function isIdle({ entry, place }: Source): boolean {
  return entry !== null && entry.lease === null && place !== null;
}

function giveBack(source: Source): void {
  const { hold, entry, place } = source;
  if (entry === null || place === null || entry.lease !== null) return;
  remove(hold.table, entry, hold.member.context.step());
  source.place = null;
  finish(source);
  returnPlace(place);
}

function offer(state: State): void {
  const { context } = state.hold.member;
  if (state.isOffering) return;
  state.isOffering = true;
  offerIdle(state)
    .catch((error: unknown) => {
      if (state.hold.isOpen) context.broken(String(error));
    })
    .finally(() => {
      state.isOffering = false;
      lookIn(state, longestIdleMs);
    });
}

/** Where messages stand in the queue, everybody is as busy as this process: they stay here. */
async function offerIdle({ hold, feeds }: State): Promise<void> {
  const { channel, queue } = hold.book!;
  const { messageCount, consumerCount } = await channel.checkQueue(queue);
  const own = feeds.filter(({ isOpen }) => isOpen).length;
  if (messageCount > 0 || consumerCount <= own + anchorsOf(hold.member) || !hold.isOpen) return;
  const idle = [...hold.byIdentity.values()].filter(isIdle);
  await Promise.all(idle.map(putBack));
}

/**
 * Gives a message back to the queue, and says that nothing was done with it. Without a word it is
 * taken for one that was at work, and moves to a partition, whose owner may be as busy. There is
 * one of it all the time: a copy, published first, would leave two to live on by a death before the
 * acknowledgement, and two processes would have it at once.
 */
async function putBack(source: Source): Promise<void> {
  const { hold } = source;
  const { context, hashOf } = hold.member;
  remove(hold.table, source.entry!, context.step());
  source.entry = null;
  const note = givenBackNote(context.names, hashOf(source.identity), context.host.newId());
  await store(context, () => context.publisher.send(note));
  const { place } = source;
  source.place = null;
  finish(source);
  if (place !== null) returnPlace(place);
}

function takeShared(hold: Hold, incoming: Incoming, verdict: Verdict | null): void {
  const { member } = hold;
  const { context, registered } = member;
  const { arrived, place } = incoming;
  const { message, dueAt } = arrived;
  const known = hold.byIdentity.get(arrived.identity);
  if (known !== undefined) {
    if (!takeAgain(known, incoming)) ackPlace(place);
    return;
  }
  const waits = registered.spec.waits && message.facts.some((need) => !isMet(need, context.facts));
  const isLate = dueAt > context.host.clock.now();
  // One that came before may have moved already: its partition knows.
  const mayHaveMoved = arrived.redelivered && !isUntouched(verdict);
  if (waits || isLate || mayHaveMoved) {
    moveNew(hold, incoming, verdict);
    return;
  }
  enter(hold, incoming, { verdict: null, order: nextOrder(hold) });
}

/** Whoever had it before had no room for it, and gave it back. */
function isUntouched(verdict: Verdict | null): boolean {
  return verdict !== null && verdict.wasGivenBack && verdict.suspicion === 'none';
}

/** Sends a message that nobody has tried here to a partition, with what is known about it. */
function moveNew(hold: Hold, incoming: Incoming, verdict: Verdict | null): void {
  const { arrived, place } = incoming;
  const source = createSource(hold, { arrived, place, order: 0 });
  const step = hold.member.context.step();
  const { needs } = arrivalOf(source, { arrived, verdict: null, step });
  const past = { attempt: 1, readyAt: 0, story: null as Entry['story'] };
  if (verdict !== null) {
    source.heard = verdict.heard;
    if (verdict.suspicion !== 'none') suspect(past, verdict.suspicion, step);
  }
  const state = { ...past, needs, state: 'ready' } as unknown as Entry;
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
  source.entry = null;
  await stored;
  finish(source);
}
