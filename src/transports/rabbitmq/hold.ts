/**
 * What a session holds of one subscription: partitions and a share of the shared queue, each with
 * a lane table that turns what the server pushes into leases.
 */

import type { Channel } from 'amqplib';
import { createHeap, type Heap, type HeapItem } from '../../transport/heap.ts';
import {
  createLaneTable,
  type Claimant,
  type Entry,
  type Holder,
  type LaneTable,
  type Step,
} from '../../transport/lane-table.ts';
import type { NumberMap } from '../../transport/number-map.ts';
import { TextMap } from '../../transport/text-map.ts';
import type { Host, Lease, Outgoing, Sink } from '../../transport/transport.ts';
import type { AckBook, Place } from './ack-book.ts';
import type { Channels } from './channels.ts';
import type { Clerk, Verdict } from './clerk.ts';
import type { FactBook } from './facts.ts';
import type { Names } from './names.ts';
import type { Presence } from './presence.ts';
import type { Publisher } from './publisher.ts';
import { createRecent, type Recent } from './recent.ts';
import type { Registered } from './registry.ts';
import { mostRecent, type Settings } from './settings.ts';
import type { Arrived, Heard, ShutNote, Turn } from './wire-format.ts';
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
  readonly hasOneAttempt: boolean;
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
  /** Whatever it opens at its queues. */
  readonly channels: Channels;
  readonly holds: Set<Hold>;
  readonly sources: NumberMap<Source>;
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
  readonly byIdentity: TextMap<Source>;
  /** What was done of a partition. */
  readonly recent: Recent;
  /** How many are on their way to the dead letters, and not acknowledged here. */
  burying: number;
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
  /** Who wrote it had lost the partition by then: see `backlog.ts`. */
  readonly isLate?: boolean;
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
  /** Of all that were read on this channel. */
  readonly tokenIds: Set<string>;
  /** The highest of the tokens that were read; its owner's own. */
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
  /** Before the death that shut it; null where an owner before this one did. */
  readonly since: Turn | null;
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
  /** Of the state that stands in its place; of the last one that was written. */
  placeVersion: number;
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
  /** The stamp of its dead letter, from when that is on its way. */
  death: string | null;
  /** Who waits for the copy that is on its way. */
  arrivals: (() => void)[] | null;
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
    byIdentity: new TextMap(),
    recent: createRecent(mostRecent),
    burying: 0,
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
