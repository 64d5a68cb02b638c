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
import { delay, isDelayed } from './delayed.ts';
import { createHold, type Hold, type Incoming, type Member, type Partition } from './hold.ts';
import { createSource, forgetIdentity, keep, store } from './source.ts';
import { enter, nextOrder } from './entering.ts';
import { goOn, takeIn, takeMain, takeSide, verdictsOn } from './intake.ts';
import { isItsDeath, openKey, resolveDeath } from './shut-keys.ts';
import { relieve, takeNew } from './relief.ts';
import { longestTakeOverMs } from './settings.ts';
import { arrivedOf, recordOf, type CopyNote, type OpenNote } from './wire-format.ts';

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
  const { member } = hold;
  const partition = hold.partition!;
  const { context } = member;
  const place = placeOf(partition.side, message);
  const arrived = arrivedOf(message, context.host.clock.now());
  const incoming: Incoming = { arrived, place, take: takeSide };
  if (partition.state === 'owned' || partition.state === 'releasing') {
    takeIn(hold, incoming);
    return;
  }
  const isFirst = partition.state === 'standby';
  if (isFirst) {
    partition.renewAt = renewalOf(context);
    partition.readingSince = systemClock.monotonic();
    systemClock.setTimer(context.look, longestTakeOverMs + 1_000).unref();
  }
  partition.state = 'reading';
  if (arrived.note?.kind !== 'token') {
    if (!relieve(hold, incoming)) partition.backlog.push(incoming);
  } else if (message.properties.messageId === partition.ownToken) {
    for (const token of partition.tokens) ackPlace(token);
    partition.tokens = [place];
    const { backlog } = partition;
    partition.backlog = [];
    partition.state = 'owned';
    hold.isTaking = true;
    void load(hold, backlog).then(
      () => turns.changed(),
      (error: unknown) => context.isOpen() && hold.isOpen && context.broken(String(error)),
    );
  } else {
    partition.tokens.push(place);
    partition.epoch = Math.max(partition.epoch, arrived.note.epoch);
    if (partition.ownToken === null && partition.tokens.length === 1) {
      void takeToken(hold, turns).catch(() => undefined);
    }
  }
  if (isFirst) turns.changed();
}

async function takeToken(hold: Hold, turns: Turns): Promise<void> {
  const { member } = hold;
  const { context, registered } = member;
  const partition = hold.partition!;
  if (!(await turns.mayTake(hold)) || !hold.isOpen) return;
  partition.epoch += 1;
  partition.ownToken = context.host.newId();
  const note = { kind: 'token', epoch: partition.epoch, by: context.session } as const;
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
  const opening = readRecords(partition, records);
  for (const [key, { note }] of partition.shuts) {
    // What is about to open takes in what it has: nothing of it is dead any more.
    shut(hold.table, key, opening.has(key) ? 'blocked' : note.state);
  }
  for (const one of messages) {
    partition.nextOrder = Math.max(partition.nextOrder, copyOf(one)?.order ?? 0);
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

interface Opening {
  readonly note: OpenNote;
  readonly place: Place;
}

/** Which keys are shut, and which of them are to be opened. */
function readRecords(
  { shuts }: Partition,
  records: readonly Incoming[],
): ReadonlyMap<string, Opening> {
  const opening = new Map<string, Opening>();
  for (const { arrived, place } of records) {
    const { note } = arrived;
    if (note?.kind === 'shut') {
      const before = [shuts.get(note.key), opening.get(note.key)];
      for (const record of before) if (record?.place) ackPlace(record.place);
      shuts.set(note.key, { note, place, last: null });
      opening.delete(note.key);
    } else if (note?.kind === 'open' && shuts.has(note.key) && !opening.has(note.key)) {
      opening.set(note.key, { note, place });
    } else ackPlace(place);
  }
  return opening;
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
  const copy = copyOf(incoming);
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

/** The newest version of each message; the others are acknowledged. */
function newestOf(backlog: readonly Incoming[]): {
  readonly messages: readonly Incoming[];
  readonly records: readonly Incoming[];
} {
  const newest = new Map<string, Incoming>();
  const records: Incoming[] = [];
  for (const one of backlog) {
    const { note, identity } = one.arrived;
    if (note !== null && note.kind !== 'copy') {
      records.push(one);
      continue;
    }
    const before = newest.get(identity);
    if (before === undefined || versionOf(one) > versionOf(before)) {
      if (before !== undefined) ackPlace(before.place);
      newest.set(identity, one);
    } else ackPlace(one.place);
  }
  return { messages: [...newest.values()], records };
}

function versionOf({ arrived: { note } }: Incoming): number {
  return note?.kind === 'copy' ? note.version : 0;
}

/** It is a dead letter that was sent back. */
function isReturned(copy: CopyNote | null): boolean {
  return copy !== null && copy.returned !== null;
}

function copyOf({ arrived: { note } }: Incoming): CopyNote | null {
  return note?.kind === 'copy' ? note : null;
}

/** What has a place, then the rest as it came. */
function inOrder(messages: readonly Incoming[]): Incoming[] {
  const rank = (one: Incoming): number => copyOf(one)?.order ?? Number.POSITIVE_INFINITY;
  return messages.toSorted((a, b) => {
    const [first, second] = [rank(a), rank(b)];
    return first === second ? 0 : first - second;
  });
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
  for (const [tag, source] of member.sources) {
    if (source.hold !== hold) continue;
    member.sources.delete(tag);
    forgetIdentity(source);
    for (const arrive of source.arrivals.splice(0)) arrive();
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
