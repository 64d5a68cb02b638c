/**
 * The lane table: which messages of one subscription may be delivered now, and in which order.
 *
 * Pure records; time, chance and identity are passed in. A store engine holds one table per
 * subscription, a consumer of a broker one per partition that it owns. The steps live beside this
 * file: `lane-table-lanes` moves lanes between their states, `-claim` hands messages out,
 * `-settle` takes them back, `-waiting` holds them for facts, `-names` finds them by id.
 *
 *     push ─▶ scheduled ─due─▶ ready ──claim──▶ leased ──ack, dead-letter──▶ next head, or no lane
 *                               ▲ ▲ ▲              │
 *                               │ │ └─ backing-off ┤ retry, release
 *                               │ └─── waiting ◀───┤ park
 *                               └───── blocked ◀───┘ dead-letter under `block` (then: reopen)
 *
 * What holds after every step:
 *  1. A lane exists only for a key that has messages here, or that a dead head holds shut.
 *  2. The entries of a lane stand in the order of their arrival; a lease covers a prefix of them.
 *  3. A lane is in exactly one of: a ready heap, the due heap, under a lease, shut.
 *  4. A message without order that is anything but new is a lane of its own, without a key; new
 *     ones stand in `fresh`, so that the ordinary case has no state at all.
 *  5. No step looks at more than the entries it moves, times the logarithm of the lanes.
 */

import { createHeap, type Heap, type HeapItem } from './heap.ts';
import { createList, type LinkedList, type Links } from './linked-list.ts';
import { NumberMap } from './number-map.ts';
import { TextMap } from './text-map.ts';
import { createShelf, type Shelf } from './shelf.ts';
import type { JournalEntry } from './store.ts';
import type {
  Failure,
  FactId,
  JournalMode,
  Lease,
  Need,
  OnDead,
  Outgoing,
  Suspicion,
} from './transport.ts';

export type EntryState = 'scheduled' | 'ready' | 'leased' | 'retrying' | 'waiting';

/** One message of one subscription. */
export interface Entry extends Links<Entry> {
  readonly message: Outgoing;
  /** Null where the subscription ignores keys, and of what left its key to wait. */
  key: string | null;
  /** The transport's own handle: no two entries of a table have the same. */
  readonly tag: number;
  /** Grows with every message accepted. */
  readonly order: number;
  readonly acceptedAt: number;
  /** What it still waits for by itself: nothing once it was delivered with all of it fulfilled. */
  needs: readonly Need[];
  /** The age by which it is chosen; when it is due, while it is scheduled or retrying. */
  readyAt: number;
  state: EntryState;
  attempt: number;
  lane: Lane | null;
  lease: HeldLease | null;
  /** Another entry with the same id, on engines that do not recognise repetitions. */
  twin: Entry | null;
  /** Where it stands among those not found by id yet, or -1. */
  place: number;
  story: Story | null;
}

/** What only exceptional messages have. */
export interface Story {
  suspicion: Suspicion;
  /** Crashes of processes that held others as well. */
  crashesBeside: number;
  /**
   * It was out behind others of its key when its process died, and may have been running if their
   * acks were lost with it: it goes out by itself, so that the next death accuses the right one.
   */
  wasBehind: boolean;
  /** What its handler waits for, beyond what the message needs. */
  parkedFor: readonly Need[];
  /** From when the deadline of waiting counts, where not from acceptance. */
  waitsSince: number | null;
  firstFailure: Failure | null;
  lastFailure: Failure | null;
  history: JournalEntry[];
}

/** What of a message a crash changes; the message need not be in a table. */
export type Accused = Pick<Entry, 'attempt' | 'readyAt' | 'story'>;

export type LaneState =
  | 'scheduled'
  | 'ready'
  | 'leased'
  | 'backing-off'
  | 'waiting'
  | 'blocked'
  | 'diverting';

/** The entries of one key; `at` is its place among the ready, or when it is due. */
export interface Lane extends HeapItem, Links<Lane>, LinkedList<Entry> {
  readonly key: string | null;
  state: LaneState;
  lease: HeldLease | null;
  /** The ready heap it is in. */
  heap: Heap<Lane> | null;
  /** What it was found to lack; some may be met by now, or one more may be missing. */
  lacking: Set<Need> | null;
  /** Those of them that any of several facts meets. */
  choices: readonly Need[];
  waitNumber: number;
}

/** A lease: of the first `covered` entries of a lane, or of the entries in this list. */
export interface HeldLease extends Links<HeldLease>, LinkedList<Entry> {
  readonly id: number;
  readonly token: number;
  readonly table: LaneTable;
  readonly lane: Lane | null;
  readonly claimant: Claimant;
  readonly caution: Caution;
  /** When it began. */
  readonly at: number;
  covered: number;
}

/** `one-of-few`: within the slots. `secluded`: with nothing else in its process. */
export type Caution = 'none' | 'one-of-few' | 'secluded';

/** A process, with all it holds over all tables. */
export interface Holder extends LinkedList<HeldLease> {
  /** Messages out. */
  held: number;
  /** A message that must be alone is out. */
  secluded: boolean;
}

/** One consumption of a process. */
export interface Claimant {
  readonly holder: Holder;
  readonly slots: number;
  credit: number;
  /** Suspects out. */
  suspects: number;
}

export interface LaneCounts {
  scheduled: number;
  ready: number;
  leased: number;
  retrying: number;
  waiting: number;
  done: number;
  cancelled: number;
  /** Messages in lanes that stand still: backing off, waiting, blocked. */
  standing: number;
}

/** Which entries have which ids, see `lane-table-names`. */
export interface Names {
  /** The first entry of each id; others follow as its twins. */
  readonly byId: Map<string, Entry>;
  /** Entries that are not in the map; `null` where one left. */
  row: (Entry | null)[];
  /** How many of the row left. */
  gaps: number;
}

export interface LaneSettings {
  readonly onDead: OnDead;
  readonly waitingDeadlineMs: number;
  readonly waitingOrder: 'hold' | 'overtake';
}

/** When a step happens, and whether it is written down in the history of its message. */
export interface Step {
  readonly now: number;
  readonly journal: boolean;
  /** How long a message stays in view that is done, with all of its history; 0: not at all. */
  readonly keepDoneMs: number;
}

export interface LaneTableOptions {
  readonly subscription: string;
  readonly settings: LaneSettings;
  readonly facts: { has(fact: FactId): boolean };
  /** A new lease; its token is greater than that of every earlier one of the lane or message. */
  readonly nextLease: () => Lease;
  /** A message met a diverting lane: it left the table and belongs to the dead letters. */
  readonly diverted: (entry: Entry, step: Step) => void;
  /** The head of a lane was found to lack facts, and its lane waits now. */
  readonly waits: (entry: Entry, lacking: readonly Need[]) => void;
}

export interface LaneTable extends Omit<LaneTableOptions, 'settings'> {
  settings: LaneSettings;
  paused: boolean;
  readonly byKey: TextMap<Lane>;
  readonly byTag: NumberMap<Entry>;
  readonly names: Names;
  readonly fresh: LinkedList<Entry>;
  readonly ready: Heap<Lane>;
  /** The lanes of `ready`, the one that has been ready longest first. */
  readonly served: LinkedList<Lane>;
  /** Ready lanes whose head is a suspect. */
  readonly careful: Heap<Lane>;
  /** Ready lanes whose head must be alone in its process. */
  readonly secluded: Heap<Lane>;
  /** Lanes with a time: scheduled, backing off, waiting until a deadline. */
  readonly due: Heap<Lane>;
  readonly waiting: Shelf<Lane>;
  readonly waitingOn: Map<FactId, Shelf<Lane>>;
  readonly counts: LaneCounts;
  /** Claims made, to give every fourth one to the lane that has waited longest for its turn. */
  turns: number;
  lastNumber: number;
}

export function createLaneTable(options: LaneTableOptions): LaneTable {
  return {
    subscription: options.subscription,
    settings: options.settings,
    facts: options.facts,
    nextLease: options.nextLease,
    diverted: options.diverted,
    waits: options.waits,
    paused: false,
    byKey: new TextMap(),
    byTag: new NumberMap(),
    names: { byId: new Map(), row: [], gaps: 0 },
    fresh: createList(),
    ready: createHeap(),
    served: createList(),
    careful: createHeap(),
    secluded: createHeap(),
    due: createHeap(),
    waiting: createShelf(),
    waitingOn: new Map(),
    counts: emptyCounts(),
    turns: 0,
    lastNumber: 0,
  };
}

function emptyCounts(): LaneCounts {
  return {
    scheduled: 0,
    ready: 0,
    leased: 0,
    retrying: 0,
    waiting: 0,
    done: 0,
    cancelled: 0,
    standing: 0,
  };
}

export function createHolder(): Holder {
  return { head: null, tail: null, size: 0, held: 0, secluded: false };
}

/** Messages that are neither done nor dead. */
export function depth(table: LaneTable): number {
  const { scheduled, ready, leased, retrying, waiting } = table.counts;
  return scheduled + ready + leased + retrying + waiting;
}

/** When the next lane becomes due by time alone; `Infinity` if none does. */
export function nextDue(table: LaneTable): number {
  return table.due.items[0]?.at ?? Number.POSITIVE_INFINITY;
}

export function storyOf(entry: Pick<Entry, 'story'>): Story {
  entry.story ??= {
    suspicion: 'none',
    crashesBeside: 0,
    wasBehind: false,
    parkedFor: [],
    waitsSince: null,
    firstFailure: null,
    lastFailure: null,
    history: [],
  };
  return entry.story;
}

/** How much company the entry may have when it is delivered. */
export function cautionOf(entry: Pick<Entry, 'story'>): Caution {
  const { story } = entry;
  if (story === null || story.suspicion === 'none') return 'none';
  return story.suspicion === 'alone' || story.crashesBeside > 1 ? 'secluded' : 'one-of-few';
}

/** @param host - whose journal it is */
export function stepAt(
  now: number,
  { journal, keepDoneMs }: { readonly journal: JournalMode; readonly keepDoneMs: number },
): Step {
  return { now, journal: journal !== 'off', keepDoneMs: journal === 'all' ? keepDoneMs : 0 };
}

export const longestHistory = 100;

/** Adds a line to the history of a message; the oldest line goes when there are too many. */
export function record(
  entry: Pick<Entry, 'attempt' | 'story'>,
  step: Step,
  line: Pick<JournalEntry, 'event'> & Partial<Pick<JournalEntry, 'attempt' | 'detail'>>,
): void {
  if (!step.journal) return;
  const { history } = storyOf(entry);
  if (history.length >= longestHistory) history.shift();
  history.push({
    at: step.now,
    event: line.event,
    attempt: line.attempt ?? entry.attempt,
    detail: line.detail ?? null,
  });
}

/** With all of its history: that it went out; of an attempt that is being settled. */
export function recordDelivery(entry: Entry, step: Step): void {
  if (step.keepDoneMs === 0 || entry.lease === null) return;
  record(entry, { ...step, now: entry.lease.at }, { event: 'delivered' });
}
