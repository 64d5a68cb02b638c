/**
 * What a session holds of one subscription: partitions and a share of the shared queue, each with
 * a lane table that turns what the server pushes into leases. Here are the records, how a message
 * changes its state, and how it is done with.
 *
 * A message changes by a copy in the side queue of its partition. The copy comes back by the same
 * side queue, and only then is the one before it acknowledged: at every instant the newest state
 * that was confirmed is on the server.
 */

import type { Channel } from 'amqplib';
import type { MaloteError } from '../../errors.ts';
import {
  createLaneTable,
  type Claimant,
  type Entry,
  type Holder,
  type LaneTable,
  type Step,
} from '../../transport/lane-table.ts';
import type { FactId, Host, Lease, Outgoing, Sink } from '../../transport/transport.ts';
import { ackPlace, type AckBook, type Place } from './ack-book.ts';
import type { Clerk, Verdict } from './clerk.ts';
import type { Names } from './names.ts';
import { partitionOf, workHash } from './names.ts';
import type { Presence } from './presence.ts';
import type { Publisher } from './publisher.ts';
import type { Registered } from './registry.ts';
import type { Settings } from './settings.ts';
import {
  identityOf,
  sendingOf,
  type Arrived,
  type CopyNote,
  type Heard,
  type ShutNote,
} from './wire-format.ts';
import type { Wire } from './line.ts';

/** What all subscriptions of one session share, from the connection's opening to its loss. */
export interface Context {
  readonly host: Host;
  readonly settings: Settings;
  readonly names: Names;
  readonly session: string;
  readonly wire: Wire;
  readonly publisher: Publisher;
  readonly presence: Presence;
  readonly clerk: Clerk;
  readonly facts: ReadonlySet<FactId>;
  readonly holder: Holder;
  isOpen(): boolean;
  step(): Step;
  /** Looks soon for what can be delivered. */
  look(): void;
  /** Nothing is certain any more: the connection is dropped, and all begins anew. */
  broken(reason: string): void;
  nextNumber(): number;
  /** Grows from process to process as far as their clocks agree. */
  nextSharedToken(): number;
  /** An entry met a key whose dead letters take along what comes after. */
  diverted(hold: Hold, entry: Entry, step: Step): void;
}

export interface Consumer extends Claimant {
  readonly sink: Sink;
  stopped: boolean;
}

/** This session's part in one subscription. */
export interface Member {
  readonly context: Context;
  registered: Registered;
  readonly consumers: Set<Consumer>;
  readonly holds: Set<Hold>;
  readonly sources: Map<number, Source>;
  isForgotten: boolean;
  isLeaving: boolean;
  /** It stands by for all partitions, and has read those it was given at once. */
  isReady: boolean;
  doneCount: number;
}

export interface Hold {
  readonly member: Member;
  /** Null: the shared queue. */
  readonly partition: Partition | null;
  readonly table: LaneTable;
  readonly byIdentity: Map<string, Source>;
  /** What came and is not taken in, as the past of some of it is being asked about. */
  incoming: Incoming[];
  isTaking: boolean;
  isOpen: boolean;
  /** Where new messages come from. */
  book: AckBook | null;
  /** How many the server may have here unacknowledged. */
  prefetch: number;
}

export interface Incoming {
  readonly arrived: Arrived;
  readonly place: Place;
  /** From which of its queues. */
  readonly take: Taker;
}

/** What is done with one whose past is known; a promise holds up what comes behind it. */
export type Taker = (
  hold: Hold,
  incoming: Incoming,
  verdict: Verdict | null,
) => void | Promise<void>;

export interface Partition {
  readonly index: number;
  readonly side: AckBook;
  main: Channel | null;
  state: 'standby' | 'reading' | 'owned' | 'releasing';
  /** Everything read before it is known who owns the partition. */
  backlog: Incoming[];
  tokens: Place[];
  epoch: number;
  /** The id of the token that this session published. */
  ownToken: string | null;
  nextOrder: number;
  readonly shuts: Map<string, Shutting>;
  /** Dead letters that came back for a key that is shut. */
  readonly returns: Map<string, Returning[]>;
}

export interface Returning {
  readonly source: Source;
  readonly arrived: Arrived;
}

export interface Shutting {
  readonly note: ShutNote;
  /** Null until the record came back. */
  place: Place | null;
}

/** Where an entry came from, and so where it is acknowledged. */
export interface Source {
  readonly tag: number;
  readonly hold: Hold;
  readonly message: Outgoing;
  readonly acceptedAt: number;
  readonly identity: string;
  entry: Entry | null;
  place: Place | null;
  version: number;
  order: number;
  heard: readonly Heard[];
  returned: string | null;
  /** It was delivered before: its ledger is confirmed before it is handed out. */
  isCareful: boolean;
  /** The copy of its version is on its way. */
  isCopying: boolean;
  isDone: boolean;
  readonly arrivals: (() => void)[];
}

export function createHold(member: Member, partition: Partition | null): Hold {
  const { context, registered } = member;
  const hold: Hold = {
    member,
    partition,
    table: createLaneTable({
      subscription: registered.name,
      settings: registered.spec,
      facts: context.facts,
      nextLease: () => nextLease(hold),
      diverted: (entry, step) => context.diverted(hold, entry, step),
      waits({ message }, facts) {
        const { name } = registered;
        context.host.notify({ kind: 'waiting', facts, subscription: name, id: message.id });
      },
    }),
    byIdentity: new Map(),
    incoming: [],
    isTaking: false,
    isOpen: true,
    book: null,
    prefetch: 0,
  };
  hold.table.paused = registered.isPaused;
  return hold;
}

/**
 * Tokens of a partition carry its epoch before all. A message without a key that was tried in the
 * shared queue moves to a partition, never back: the tokens of the shared queue stay below.
 */
function nextLease({ member, partition }: Hold): Lease {
  const { context } = member;
  const id = context.nextNumber();
  const token =
    partition === null ? context.nextSharedToken() : 2 ** 52 + partition.epoch * 2 ** 31 + id;
  return { id, token };
}

export interface SourceOptions {
  readonly arrived: Arrived;
  readonly place: Place | null;
  readonly order: number;
}

export function createSource(hold: Hold, { arrived, place, order }: SourceOptions): Source {
  const { message, acceptedAt, note, redelivered } = arrived;
  const copy = note?.kind === 'copy' ? note : null;
  const source: Source = {
    tag: hold.member.context.nextNumber(),
    hold,
    message,
    acceptedAt,
    identity: identityOf(message),
    entry: null,
    place,
    version: copy?.version ?? 0,
    order,
    heard: copy?.heard ?? [],
    returned: copy?.returned ?? null,
    isCareful: redelivered || (copy?.attempt ?? 1) > 1,
    isCopying: false,
    isDone: false,
    arrivals: [],
  };
  hold.byIdentity.set(source.identity, source);
  hold.member.sources.set(source.tag, source);
  return source;
}

export function hashOf({ registered }: Member, identity: string): number {
  return workHash(`${registered.name}\n${identity}`);
}

/** Which partition's side queue holds a message back. */
export function sideIndexOf({ registered }: Member, { key, id }: Outgoing): number {
  const isKeyed = registered.spec.order === 'key' && key !== null;
  return partitionOf(isKeyed ? key : id, registered.partitions);
}

/** Stores the state of an entry. Resolves when it is stored; the connection is dropped if not. */
export async function keep(source: Source, entry: Entry): Promise<void> {
  const { hold } = source;
  const { context } = hold.member;
  source.version += 1;
  source.isCopying = hold.partition !== null;
  source.isCareful = true;
  await store(context, () => sendCopy(source, entry));
}

function sendCopy(source: Source, entry: Entry): Promise<void> {
  const { hold, message, acceptedAt } = source;
  const { member, partition } = hold;
  const { context, registered } = member;
  const heard = new Map(source.heard);
  heard.set(context.session, context.clerk.number);
  const note: CopyNote = {
    kind: 'copy',
    version: source.version,
    order: partition === null ? null : source.order,
    attempt: entry.attempt,
    heldUntil: entry.state === 'retrying' ? entry.readyAt : 0,
    story: entry.story,
    needs: entry.needs,
    heard: [...heard].slice(-8),
    returned: source.returned,
  };
  const index = partition?.index ?? sideIndexOf(member, message);
  const key = registered.queues.side[index]!;
  return context.publisher.send(sendingOf({ exchange: '', key, message, acceptedAt, note }));
}

/** What must be stored, or nothing is certain any more. */
export async function store(context: Context, send: () => Promise<void>): Promise<void> {
  try {
    await send();
  } catch (error) {
    context.broken(`a state could not be stored: ${(error as MaloteError).message}`);
    throw error;
  }
}

/** The message is done with for good. */
export function finish(source: Source): void {
  const { hold, place } = source;
  source.isDone = true;
  hold.member.sources.delete(source.tag);
  // A copy on its way is acknowledged when it comes.
  if (!source.isCopying) forgetIdentity(source);
  if (place !== null && hold.isOpen) ackPlace(place);
  source.place = null;
}

export function forgetIdentity(source: Source): void {
  const { byIdentity } = source.hold;
  if (byIdentity.get(source.identity) === source) byIdentity.delete(source.identity);
}

/** Whether a copy that came is the newest state of a message that is here. */
export function takeCopy(source: Source, version: number, place: Place): void {
  if (version < source.version || !source.isCopying) {
    ackPlace(place);
    return;
  }
  source.isCopying = false;
  if (source.place !== null) ackPlace(source.place);
  source.place = place;
  for (const arrive of source.arrivals.splice(0)) arrive();
  if (!source.isDone) return;
  forgetIdentity(source);
  ackPlace(place);
  source.place = null;
}

/** Resolves when no state of the message is on its way. */
export function arrived(source: Source): Promise<void> {
  if (!source.isCopying) return Promise.resolve();
  return new Promise((resolve) => void source.arrivals.push(resolve));
}
