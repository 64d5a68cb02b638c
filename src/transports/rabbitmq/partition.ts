/**
 * How a partition gets an owner, and loses it.
 *
 *     standby ─delivery─▶ reading ─own token came back─▶ owned ─drained─▶ standby
 *
 * Whoever is given anything from the side queue is the one that reads it now. It publishes the
 * next token, and when that comes it has read everything older: what the last owner held back, and
 * which keys are shut. Only then is the main queue consumed. Letting go is closing both channels:
 * what was not acknowledged goes back in order.
 */

import type { Channel, ConsumeMessage } from 'amqplib';
import { systemClock } from '../../clock.ts';
import { shut } from '../../transport/lane-table-lanes.ts';
import { endLeases } from '../../transport/lane-table-settle.ts';
import { closeChannel, whenClosed } from './driver.ts';
import { ackPlace, createAckBook, drained, endBook, placeOf, type Place } from './ack-book.ts';
import { inOrder, isLate, newestOf, readRecords, versionOf } from './backlog.ts';
import { delay, isDelayed } from './delayed.ts';
import { createHold, type Hold, type Incoming, type Member, type Partition } from './hold.ts';
import { createSource, forgetIdentity, keep, store, tellArrival } from './source.ts';
import { enter, nextOrder } from './entering.ts';
import { goOn, takeIn, takeMain, takeSide, verdictsOn } from './intake.ts';
import { isItsDeath, openKey, resolveDeath, withoutUnfounded } from './shut-keys.ts';
import { relieve, takeNew } from './relief.ts';
import { longestTakeOverMs } from './settings.ts';
import { arrivedOf, copyNoteOf, recordOf, type CopyNote, type TokenNote } from './wire-format.ts';

/** What the owner of the balance decides. */
export interface Turns {
  /** A partition was offered: whether it may be taken now. */
  mayTake(hold: Hold): Promise<boolean>;
  /** A partition has been taken, or let go. */
  changed(): void;
}

/** Stands by for a partition. Resolves when the server knows. */
export async function standBy(member: Member, index: number, turns: Turns): Promise<Hold> {
  const { context, registered } = member;
  const channel = await member.channels.open();
  const queue = registered.queues.side[index]!;
  const partition: Partition = {
    index,
    side: createAckBook(channel, queue),
    main: null,
    state: 'standby',
    isGranted: false,
    readingSince: null,
    renewAt: renewalOf(context),
    backlog: [],
    gate: [],
    leaving: 0,
    isSpilling: false,
    tokens: [],
    tokenIds: new Set(),
    epoch: 0,
    ownToken: null,
    nextOrder: 0,
    heldBack: new Set(),
    shuts: new Map(),
    returns: new Map(),
  };
  const hold = createHold(member, partition);
  member.holds.add(hold);
  watch(hold, channel);
  await channel.prefetch(context.settings.limits.side);
  await channel.consume(queue, (message) => {
    if (message === null) lost(hold, `"${queue}" was deleted`);
    else if (hold.isOpen) sideCame(hold, message, turns);
  });
  return hold;
}

/** Up to a third later than it must be: not all partitions at once. */
function renewalOf({ host, longestUnacked }: Member['context']): number {
  return host.clock.monotonic() + longestUnacked() * (1 + host.random() / 3);
}

function watch(hold: Hold, channel: Channel): void {
  whenClosed(channel, (because) => lost(hold, `a channel of a partition was closed${because}`));
}

function lost(hold: Hold, reason: string): void {
  if (!hold.isOpen || hold.member.isForgotten) return;
  hold.member.context.broken(reason);
}

function sideCame(hold: Hold, message: ConsumeMessage, turns: Turns): void {
  const { context } = hold.member;
  const partition = hold.partition!;
  const place = placeOf(partition.side, message);
  const arrived = arrivedOf(message, context.host.clock.now());
  const incoming: Incoming = {
    arrived,
    place,
    take: takeSide,
    isLate: isLate(partition, arrived),
  };
  if (incoming.isLate && arrived.note?.kind === 'copy') {
    ackPlace(place);
    return;
  }
  if (partition.state === 'owned' || partition.state === 'releasing') {
    // Behind its own token everything is new: nothing that was given before it counts any more.
    if (arrived.redelivered) lost(hold, takenBack(hold));
    else takeIn(hold, incoming);
    return;
  }
  const isFirst = partition.state === 'standby';
  if (isFirst) {
    partition.renewAt = renewalOf(context);
    partition.readingSince = systemClock.monotonic();
    systemClock.setTimer(context.look, longestTakeOverMs + 1_000).unref();
  }
  partition.state = 'reading';
  const { note } = arrived;
  if (note?.kind === 'token') tokenCame(hold, { id: arrived.message.id, note, place }, turns);
  else if (!relieve(hold, incoming)) partition.backlog.push(incoming);
  if (isFirst) turns.changed();
}

/** See {@link takeAgain}. Here it is of many kinds, and in order: it is read anew as a whole. */
function takenBack({ member, partition }: Hold): string {
  const where = `partition ${partition!.index} of "${member.registered.name}"`;
  return `the server took back what it had given out of ${where}`;
}

interface Token {
  readonly id: string;
  readonly note: TokenNote;
  readonly place: Place;
}

/**
 * Its own token makes a session the owner, if it has the highest epoch of all. Another one behind
 * the first may have as high a one: an owner may die before it has taken its last token away.
 */
function tokenCame(hold: Hold, { id, note, place }: Token, turns: Turns): void {
  const partition = hold.partition!;
  if (partition.tokenIds.has(id)) {
    lost(hold, takenBack(hold));
    return;
  }
  partition.tokenIds.add(id);
  const isOwn = id === partition.ownToken;
  const isNewest = note.epoch > partition.epoch;
  partition.epoch = Math.max(partition.epoch, note.epoch);
  if (isOwn && isNewest) {
    own(hold, place, turns);
    return;
  }
  partition.tokens.push(place);
  if (!isOwn && partition.tokens.length > 1) return;
  [partition.ownToken, partition.isGranted] = [null, false];
  void takeToken(hold, turns).catch(() => undefined);
}

function own(hold: Hold, token: Place, turns: Turns): void {
  const { context } = hold.member;
  const partition = hold.partition!;
  for (const older of partition.tokens) ackPlace(older);
  partition.tokens = [token];
  const { backlog } = partition;
  partition.backlog = [];
  partition.state = 'owned';
  hold.isTaking = true;
  void load(hold, backlog).then(
    () => turns.changed(),
    (error: unknown) => context.isOpen() && hold.isOpen && context.broken(String(error)),
  );
}

async function takeToken(hold: Hold, turns: Turns): Promise<void> {
  const { member } = hold;
  const { context, registered } = member;
  const partition = hold.partition!;
  if (!(await turns.mayTake(hold)) || !hold.isOpen) return;
  partition.ownToken = context.host.newId();
  const note = { kind: 'token', epoch: partition.epoch + 1, by: context.session } as const;
  const queue = registered.queues.side[partition.index]!;
  await store(context, () => context.publisher.send(recordOf(queue, note, partition.ownToken!)));
}

/** Takes in what the last owner held back, then opens the main queue. */
async function load(hold: Hold, backlog: readonly Incoming[]): Promise<void> {
  const { member } = hold;
  const { context, registered } = member;
  const partition = hold.partition!;
  const verdicts = await verdictsOn(hold, backlog);
  if (!hold.isOpen) return;
  const { messages, records } = newestOf(backlog);
  const opening = readRecords(partition, await withoutUnfounded(hold, records));
  if (!hold.isOpen) return;
  for (const [key, { note }] of partition.shuts) {
    // What is about to open takes in what it has: nothing of it is dead any more.
    shut(hold.table, key, opening.has(key) ? 'blocked' : note.state);
  }
  for (const one of messages) {
    partition.nextOrder = Math.max(partition.nextOrder, copyNoteOf(one.arrived)?.order ?? 0);
    if (versionOf(one) > 0) partition.heldBack.add(one.arrived.identity);
  }
  let moved = 0;
  for (const one of inOrder(messages)) if (await takeHeld(hold, one, verdicts)) moved += 1;
  for (const { note, place } of opening.values()) {
    await openKey(hold, note);
    ackPlace(place);
  }
  if (!hold.isOpen) return;
  if (moved > 0) {
    const { name } = registered;
    context.host.notify({ kind: 'taken-over', subscription: name, messages: moved });
  }
  await consumeMain(hold);
  partition.readingSince = null;
  hold.isTaking = false;
  tellOf(hold, 'partition-taken');
  goOn(hold);
  context.look();
}

/** One that was held back. Answers whether somebody else had held it. */
async function takeHeld(
  hold: Hold,
  incoming: Incoming,
  verdicts: Awaited<ReturnType<typeof verdictsOn>>,
): Promise<boolean> {
  const { message } = incoming.arrived;
  const partition = hold.partition!;
  const verdict = verdicts.get(incoming) ?? null;
  const copy = copyNoteOf(incoming.arrived);
  const shutting = message.key === null ? undefined : partition.shuts.get(message.key);
  if (shutting !== undefined && isItsDeath(shutting.note, message) && !isReturned(copy)) {
    await resolveDeath(hold, incoming, verdict);
    return true;
  }
  if (shutting !== undefined && isReturned(copy) && copy?.version === 0 && copy.isKeyed) {
    const source = createSource(hold, { ...incoming, order: 0 });
    const before = partition.returns.get(shutting.note.key) ?? [];
    partition.returns.set(shutting.note.key, [...before, { source, arrived: incoming.arrived }]);
    return true;
  }
  if (isDelayed(hold, incoming.arrived)) {
    delay(hold, incoming);
    return incoming.arrived.redelivered;
  }
  const source = enter(hold, incoming, { verdict, order: copy?.order ?? nextOrder(hold) });
  // A place that was never stored is stored now: the next owner must find the same order.
  if (copy !== null && copy.order === null && !source.isDone && source.isKeyed) {
    if (source.entry !== null && !source.isCopying) await keep(source, source.entry);
  }
  return incoming.arrived.redelivered;
}

/** It is a dead letter that was sent back. */
function isReturned(copy: CopyNote | null): boolean {
  return copy !== null && copy.returned !== null;
}

async function consumeMain(hold: Hold): Promise<void> {
  const { member } = hold;
  const { context, registered } = member;
  const partition = hold.partition!;
  const channel = await member.channels.open();
  if (!hold.isOpen) {
    await closeChannel(channel);
    return;
  }
  partition.main = channel;
  watch(hold, channel);
  const queue = registered.queues.main[partition.index]!;
  const book = createAckBook(channel, queue);
  hold.book = book;
  hold.prefetch = context.settings.limits.window;
  await channel.prefetch(hold.prefetch);
  await channel.consume(queue, (message) => {
    if (message === null) {
      lost(hold, `"${queue}" was deleted`);
      return;
    }
    if (!hold.isOpen) return;
    const place = placeOf(book, message);
    const arrived = arrivedOf(message, context.host.clock.now());
    takeNew(hold, { arrived, place, take: takeMain });
  });
  // One round trip more, and the first messages are here.
  await channel.prefetch(hold.prefetch);
}

/** Whether this session has it: it has read all, and is given what is new. */
export function isTaken({ main, readingSince }: Partition): boolean {
  return main !== null && readingSince === null;
}

function tellOf({ member, partition }: Hold, kind: 'partition-taken' | 'partition-let-go'): void {
  const { name } = member.registered;
  member.context.host.notify({ kind, subscription: name, partition: partition!.index });
}

/** Forgets a hold with all that stood in its table; the server still has it. */
export function dropHold(hold: Hold): void {
  const { member, partition, table } = hold;
  const { context } = member;
  if (hold.isOpen && partition !== null && isTaken(partition)) tellOf(hold, 'partition-let-go');
  hold.isOpen = false;
  member.holds.delete(hold);
  if (hold.book !== null) hold.book.isOpen = false;
  if (partition !== null) partition.side.isOpen = false;
  for (const consumer of member.consumers) {
    const lostLeases = [];
    for (let held = context.holder.head; held !== null; held = held.next) {
      if (held.table !== table || held.claimant !== consumer) continue;
      lostLeases.push({ id: held.id, token: held.token });
    }
    if (lostLeases.length > 0) consumer.sink.lost(lostLeases);
  }
  endLeases(context.holder, table, context.step());
  for (const [tag, source] of [...member.sources]) {
    if (source.hold !== hold) continue;
    member.sources.delete(tag);
    forgetIdentity(source);
    tellArrival(source);
  }
}

/** Lets a partition go, in which nothing is at work. */
export async function letGo(hold: Hold): Promise<void> {
  const { side, main } = hold.partition!;
  const drains = drainsOf(hold);
  dropHold(hold);
  // Nothing is handed out of a partition that is not read.
  if (main !== null) await hold.member.context.unlisted();
  await drains;
  if (main !== null) await closeChannel(main);
  await closeChannel(side.channel);
}

/** Resolves when the server has taken all that was acknowledged of a hold. */
export async function drainsOf({ book, partition }: Hold): Promise<void> {
  const books = [book, partition?.side ?? null].filter((one) => one !== null);
  for (const one of books) endBook(one);
  const order = partition === null ? 'none' : 'kept';
  await Promise.all(books.map((one) => drained(one, order)));
}
