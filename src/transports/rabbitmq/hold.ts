/**
 * What a session holds of one subscription: partitions and a share of the shared queue, each with
 * a lane table that turns what the server pushes into leases; and how a message changes its state.
 *
 * A message changes by a copy in the side queue of its partition. When that has come back, the one
 * before it is acknowledged: at every instant the newest confirmed state is on the server.
 */

import type { Channel } from 'amqplib';
import type { MaloteError } from '../../errors.ts';
import { createHeap, type Heap, type HeapItem } from '../../transport/heap.ts';
import {
  createLaneTable,
  type Claimant,
  type Entry,
  type Holder,
  type LaneTable,
  type Step,
} from '../../transport/lane-table.ts';
import type { Host, Lease, Outgoing, Sink } from '../../transport/transport.ts';
import { ackPlace, type AckBook, type Place } from './ack-book.ts';
import type { Clerk, Verdict } from './clerk.ts';
import type { FactBook } from './facts.ts';
import { heardOf } from './heard.ts';
import { placeIndexOf, type Names } from './names.ts';
import type { Presence } from './presence.ts';
import type { Publisher } from './publisher.ts';
import { createRecent, type Recent } from './recent.ts';
import type { Registered } from './registry.ts';
import { mostRecent, type Settings } from './settings.ts';
import {
  sendingOf,
  type Arrived,
  type CopyNote,
  type Heard,
  type ShutNote,
  type Turn,
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
  /** What becomes due stands in one order with what callers publish. */
  readonly messages: Publisher;
  readonly presence: Presence;
  readonly clerk: Clerk;
  readonly facts: FactBook;
  readonly holder: Holder;
  isOpen(): boolean;
  /** For how long a message may stay unacknowledged before it is taken anew; milliseconds. */
  longestUnacked(): number;
  step(): Step;
  /** Looks soon for what can be delivered. */
  look(): void;
  /** Nothing is certain any more: the connection is dropped, and all begins anew. */
  broken(reason: string): void;
  /** Resolves when the queues in which time passes are there. */
  later(): Promise<void>;
  nextNumber(): number;
  /** Grows from process to process as far as their clocks agree. */
  nextSharedToken(): number;
  /** Resolves when nothing that was given back is taken for something at work here. */
  unlisted(): Promise<void>;
  /** An entry met a key whose dead letters take along what comes after. */
  diverted(hold: Hold, entry: Entry, step: Step): void;
}

export interface Consumer extends Claimant {
  readonly sink: Sink;
  stopped: boolean;
}

/** Reads what programs without malote published for a subscription. */
export interface Ingress {
  /** What is here and not acknowledged. */
  readonly held: number;
  /** Resolves when what was begun is with the server, and the rest has gone back. */
  stop(): Promise<void>;
}

/** This session's part in one subscription. */
export interface Member {
  readonly context: Context;
  registered: Registered;
  readonly consumers: Set<Consumer>;
  readonly holds: Set<Hold>;
  readonly sources: Map<number, Source>;
  /** What a message is called in ledgers, by its identity. */
  readonly hashOf: (identity: string) => number;
  ingress: Ingress | null;
  isForgotten: boolean;
  isLeaving: boolean;
  /** It stands by for all partitions, and has read those it was given at once. */
  isReady: boolean;
  /** Deliveries whose settlement is being stored: leased still, and their slots are free. */
  settlingCount: number;
  doneCount: number;
}

export interface Hold {
  readonly member: Member;
  /** Null: the shared queue. */
  readonly partition: Partition | null;
  readonly isShared: boolean;
  readonly table: LaneTable;
  readonly byIdentity: Map<string, Source>;
  /** What was done of a partition. */
  readonly recent: Recent;
  /** What came and is not taken in, as the past of some of it is being asked about. */
  incoming: Incoming[];
  isTaking: boolean;
  isOpen: boolean;
  /** Messages of keys that are not due yet. */
  readonly delayed: Heap<Delayed>;
  /** Where new messages come from. */
  book: AckBook | null;
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
  /** This session has decided to take it. */
  isGranted: boolean;
  /** Since when it is read until it is owned, by the clock of the system. */
  readingSince: number | null;
  /** When it is let go and taken anew, by the monotonic clock. */
  renewAt: number;
  /** Everything read before it is known who owns the partition. */
  backlog: Incoming[];
  /** What is new and not taken in, as too much is held back already. */
  readonly gate: Incoming[];
  /** How many are on their way to where they wait, and not acknowledged here. */
  leaving: number;
  /** Its window stood still a moment ago, and has had no time to move: see `spill.ts`. */
  isSpilling: boolean;
  tokens: Place[];
  epoch: number;
  /** The id of the token that this session published. */
  ownToken: string | null;
  nextOrder: number;
  /**
   * What the last owner held back. Whatever of it stands in the main queue as well was left there
   * by a death between two steps; such messages come before all new ones.
   */
  readonly heldBack: Set<string>;
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
  /** Its last dead letter; null where an owner before this one shut it, and may know of others. */
  last: Turn | null;
}

/** A message of a key that is not due yet; see `delayed.ts`. */
export interface Delayed extends HeapItem {
  readonly source: Source;
}

/** Where an entry came from, and so where it is acknowledged. */
export interface Source {
  readonly tag: number;
  readonly hold: Hold;
  readonly message: Outgoing;
  readonly acceptedAt: number;
  readonly identity: string;
  /** What it is called in ledgers; NaN until it is in one. */
  hash: number;
  /** The last ledger of this session lists it. */
  isListed: boolean;
  /** It stands in the lane of its key; else it is a message without order, whatever its key. */
  readonly isKeyed: boolean;
  /** By the monotonic clock. */
  readonly cameAt: number;
  entry: Entry | null;
  place: Place | null;
  version: number;
  order: number;
  heard: readonly Heard[];
  returned: string | null;
  /** It was delivered before: its ledger is confirmed before it is handed out. */
  isCareful: boolean;
  /** It waits outside the lanes until it is due. */
  delayed: Delayed | null;
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
    isShared: partition === null,
    table: createLaneTable({
      subscription: registered.name,
      settings: registered.spec,
      facts: context.facts,
      nextLease: () => nextLease(hold),
      diverted: (entry, step) => context.diverted(hold, entry, step),
      waits({ message }, facts) {
        const { name } = registered;
        context.facts.lacking(facts);
        context.host.notify({ kind: 'waiting', facts, subscription: name, id: message.id });
      },
    }),
    byIdentity: new Map(),
    recent: createRecent(mostRecent),
    incoming: [],
    isTaking: false,
    isOpen: true,
    delayed: createHeap(),
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

export function createSource(hold: Hold, options: SourceOptions): Source {
  const { place, order } = options;
  const { message, identity, acceptedAt, note, redelivered } = options.arrived;
  const copy = note?.kind === 'copy' ? note : null;
  const source: Source = {
    tag: hold.member.context.nextNumber(),
    hold,
    message,
    acceptedAt,
    identity,
    hash: Number.NaN,
    isListed: false,
    isKeyed: isKeyed(hold, options),
    cameAt: hold.member.context.host.clock.monotonic(),
    entry: null,
    place,
    version: copy?.version ?? 0,
    order,
    heard: copy?.heard ?? [],
    returned: copy?.returned ?? null,
    isCareful: redelivered || copy?.isAtWork === true || (copy?.attempt ?? 1) > 1,
    delayed: null,
    isCopying: false,
    isDone: false,
    arrivals: [],
  };
  hold.byIdentity.set(source.identity, source);
  hold.member.sources.set(source.tag, source);
  return source;
}

/** Found out where it was accepted, and kept in its copies: its subscription may change since. */
function isKeyed({ partition, book, member }: Hold, options: SourceOptions): boolean {
  const { place } = options;
  const { message, note } = options.arrived;
  if (partition === null || message.key === null) return false;
  if (note?.kind === 'copy') return note.isKeyed;
  return (place !== null && place.book === book) || member.registered.spec.order === 'key';
}

/** Which partition's side queue holds a message back. */
export function sideIndexOf({ registered }: Member, message: Outgoing): number {
  return placeIndexOf(message, registered.partitions);
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
  // Of one that is at work, the ledger that lists it counts when this process dies.
  const own: Heard[] = entry.lease === null ? [[context.session, context.clerk.number]] : [];
  const note: CopyNote = {
    kind: 'copy',
    version: source.version,
    isKeyed: source.isKeyed,
    epoch: partition === null || source.place === null ? null : partition.epoch,
    order: partition === null ? null : source.order,
    attempt: entry.attempt,
    isAtWork: entry.lease !== null,
    heldUntil: entry.state === 'retrying' ? entry.readyAt : 0,
    story: entry.story,
    needs: entry.needs,
    heard: heardOf(source.heard, own),
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
  if (hold.partition !== null) hold.recent.add(source);
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
