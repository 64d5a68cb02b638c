/**
 * How entries enter and leave a lane table, and how a lane gets from one state to the next.
 *
 * Whatever changes the head of a lane ends in {@link raise}, the one place that decides whether the
 * lane is ready, waits for facts or is gone.
 */

import { noNeeds, shownNeeds } from '../message/need.ts';
import { before, heapPush, heapRemove } from './heap.ts';
import {
  cautionOf,
  record,
  type Entry,
  type EntryState,
  type Lane,
  type LaneState,
  type LaneTable,
  type Step,
  type Story,
} from './lane-table.ts';
import { enterRow, forgetName } from './lane-table-names.ts';
import { factsLacking, leaveWaiting, startWaiting } from './lane-table-waiting.ts';
import { append, prepend, unlink } from './linked-list.ts';
import type { Need, Outgoing } from './transport.ts';

/** A message as it reaches the table. */
export interface Arrival {
  readonly message: Outgoing;
  readonly key: string | null;
  readonly tag: number;
  readonly order: number;
  readonly acceptedAt: number;
  readonly needs: readonly Need[];
  /** Not delivered earlier than this. */
  readonly readyAt: number;
  readonly attempt: number;
  readonly story: Story | null;
}

/** Takes a message in: at the end of its lane, or scheduled until it is due. */
export function push(table: LaneTable, arrival: Arrival, step: Step): Entry {
  const entry = createEntry(table, arrival);
  if (entry.readyAt <= step.now) {
    arrive(table, entry, step);
    return entry;
  }
  table.counts.scheduled += 1;
  entry.state = 'scheduled';
  const lane = createLane(table, { key: null, state: 'scheduled' });
  attach(lane, entry);
  lane.at = entry.readyAt;
  lane.order = entry.order;
  heapPush(table.due, lane);
  return entry;
}

/** Takes in a message that whoever had it before held back: its lane waits with it. */
export function pushHeld(table: LaneTable, arrival: Arrival, until: number, step: Step): Entry {
  const entry = push(table, arrival, step);
  const { lane } = entry;
  if (lane === null || lane.head !== entry || lane.state !== 'ready' || until <= step.now) {
    return entry;
  }
  leaveState(table, lane);
  holdUntil(table, lane, until);
  return entry;
}

/** Puts messages before all others of their key and opens its lane, whatever held it shut. */
export function reopen(
  table: LaneTable,
  opening: { readonly key: string; readonly arrivals: readonly Arrival[] },
  step: Step,
): void {
  const lane = table.byKey.get(opening.key);
  if (lane === undefined || (lane.state !== 'blocked' && lane.state !== 'diverting')) {
    for (const arrival of opening.arrivals) push(table, arrival, step);
    return;
  }
  for (const arrival of opening.arrivals.toReversed()) {
    const entry = createEntry(table, arrival);
    entry.lane = lane;
    prepend(lane, entry);
    table.counts.ready += 1;
    if (lane.state === 'blocked') table.counts.standing += 1;
  }
  if (lane.size === 0) setLaneState(table, lane, 'ready');
  raise(table, lane, step);
}

/** Shuts the lane of a key although no message of it is leased here. */
export function shut(table: LaneTable, key: string, state: 'blocked' | 'diverting'): void {
  const lane = table.byKey.get(key) ?? openLane(table, key);
  if (lane.state === 'leased' || lane.state === state) return;
  leaveState(table, lane);
  setLaneState(table, lane, state);
}

/** Moves what became due by `step.now`: scheduled messages join, lanes come back. */
export function promote(table: LaneTable, step: Step): void {
  for (let lane = table.due.items[0]; lane !== undefined; lane = table.due.items[0]) {
    if (lane.at > step.now) return;
    const { state } = lane;
    leaveState(table, lane);
    if (state !== 'scheduled') {
      raise(table, lane, step);
      continue;
    }
    const entry = lane.head!;
    unlink(lane, entry);
    entry.lane = null;
    table.counts.scheduled -= 1;
    arrive(table, entry, step);
  }
}

/** Takes an entry that is not leased out of the table. */
export function remove(table: LaneTable, entry: Entry, step: Step): void {
  const { lane } = entry;
  table.counts[entry.state] -= 1;
  forget(table, entry);
  if (lane === null) {
    unlink(table.fresh, entry);
    return;
  }
  const wasHead = lane.head === entry;
  if (wasHead && lane.state !== 'leased') leaveState(table, lane);
  if (isStanding(lane.state)) table.counts.standing -= 1;
  unlink(lane, entry);
  entry.lane = null;
  if (wasHead && lane.state === 'scheduled') return;
  if (wasHead && lane.state !== 'leased' && !isShut(lane.state)) raise(table, lane, step);
}

/** Finds what a lane without a lease does next, by its head. The lane is in no heap. */
export function raise(table: LaneTable, lane: Lane, step: Step): void {
  if (table.settings.waitingOrder === 'overtake') stepAside(table, lane, step);
  const { head } = lane;
  if (head === null) {
    setLaneState(table, lane, 'ready');
    if (lane.key !== null && table.byKey.get(lane.key) === lane) table.byKey.delete(lane.key);
    return;
  }
  const lacking = factsLacking(table, head);
  if (lacking !== null && step.now < deadlineOf(table, head)) {
    setLaneState(table, lane, 'waiting');
    setEntryState(table, head, 'waiting');
    record(head, step, { event: 'parked', detail: shownNeeds(lacking).join(', ') });
    lane.at = deadlineOf(table, head);
    startWaiting(table, lane, lacking);
    table.waits(head, lacking);
    heapPush(table.due, lane);
    return;
  }
  setLaneState(table, lane, 'ready');
  setEntryState(table, head, 'ready');
  lane.at = head.readyAt;
  lane.order = head.order;
  const caution = cautionOf(head);
  if (caution === 'none') append(table.served, lane);
  lane.heap =
    caution === 'none' ? table.ready : caution === 'one-of-few' ? table.careful : table.secluded;
  heapPush(lane.heap, lane);
}

/** Heads that have to wait leave their key: each waits in a lane of its own, without order. */
function stepAside(table: LaneTable, lane: Lane, step: Step): void {
  if (lane.key === null) return;
  for (let { head } = lane; head !== null && mustWait(table, head, step); head = lane.head) {
    setLaneState(table, lane, 'ready');
    unlink(lane, head);
    head.key = null;
    raise(table, ownLane(table, head), step);
  }
}

function mustWait(table: LaneTable, head: Entry, { now }: Step): boolean {
  return factsLacking(table, head) !== null && now < deadlineOf(table, head);
}

/** Holds a lane back until a time. The lane is in no heap. */
export function holdUntil(table: LaneTable, lane: Lane, at: number): void {
  const head = lane.head!;
  setLaneState(table, lane, 'backing-off');
  setEntryState(table, head, 'retrying');
  head.readyAt = at;
  lane.at = at;
  lane.order = head.order;
  heapPush(table.due, lane);
}

/** Takes a lane out of the heap and the lists of its state. */
export function leaveState(table: LaneTable, lane: Lane): void {
  if (lane.heap !== null) {
    heapRemove(lane.heap, lane);
    if (lane.heap === table.ready) unlink(table.served, lane);
    lane.heap = null;
  } else if (lane.position >= 0) {
    heapRemove(table.due, lane);
  }
  if (lane.lacking !== null) leaveWaiting(table, lane);
}

export function setLaneState(table: LaneTable, lane: Lane, state: LaneState): void {
  const { state: was } = lane;
  if (was === state) return;
  if (isStanding(was)) table.counts.standing -= lane.size;
  if (isStanding(state)) table.counts.standing += lane.size;
  lane.state = state;
}

export function setEntryState(table: LaneTable, entry: Entry, state: EntryState): void {
  if (entry.state === state) return;
  table.counts[entry.state] -= 1;
  table.counts[state] += 1;
  entry.state = state;
}

/** A message without order that is no longer new: a lane of its own. */
export function ownLane(table: LaneTable, entry: Entry): Lane {
  const lane = createLane(table, { key: null, state: 'ready' });
  attach(lane, entry);
  return lane;
}

export function deadlineOf(table: LaneTable, entry: Entry): number {
  return (entry.story?.waitsSince ?? entry.acceptedAt) + table.settings.waitingDeadlineMs;
}

/** What waits already is due by the new deadline. */
export function changeSettings(table: LaneTable, settings: LaneTable['settings']): void {
  const isSame = settings.waitingDeadlineMs === table.settings.waitingDeadlineMs;
  table.settings = settings;
  if (isSame) return;
  for (const lane of table.due.items.filter(({ state }) => state === 'waiting')) {
    heapRemove(table.due, lane);
    lane.at = deadlineOf(table, lane.head!);
    heapPush(table.due, lane);
  }
}

export function forget(table: LaneTable, entry: Entry): void {
  table.byTag.delete(entry.tag);
  forgetName(table, entry);
}

export function isShut(state: LaneState): boolean {
  return state === 'blocked' || state === 'diverting';
}

function arrive(table: LaneTable, entry: Entry, step: Step): void {
  table.counts.ready += 1;
  entry.state = 'ready';
  if (entry.key !== null) arriveInLane(table, entry, entry.key, step);
  else if (entry.needs.length > 0 || entry.attempt > 1 || entry.story !== null) {
    raise(table, ownLane(table, entry), step);
  } else append(table.fresh, entry);
}

function arriveInLane(table: LaneTable, entry: Entry, key: string, step: Step): void {
  const lane = table.byKey.get(key);
  if (lane === undefined) {
    const opened = openLane(table, key);
    attach(opened, entry);
    raise(table, opened, step);
  } else if (lane.state === 'diverting') {
    table.counts.ready -= 1;
    forget(table, entry);
    table.diverted(entry, step);
  } else {
    attach(lane, entry);
    if (isStanding(lane.state)) table.counts.standing += 1;
  }
}

function openLane(table: LaneTable, key: string): Lane {
  const lane = createLane(table, { key, state: 'ready' });
  table.byKey.set(key, lane);
  return lane;
}

function createEntry(table: LaneTable, arrival: Arrival): Entry {
  const { message } = arrival;
  const entry: Entry = {
    message,
    key: arrival.key,
    tag: arrival.tag,
    order: arrival.order,
    acceptedAt: arrival.acceptedAt,
    needs: arrival.needs,
    readyAt: arrival.readyAt,
    state: 'ready',
    attempt: arrival.attempt,
    lane: null,
    lease: null,
    twin: null,
    place: -1,
    story: arrival.story,
    previous: null,
    next: null,
  };
  table.byTag.set(entry.tag, entry);
  enterRow(table, entry);
  return entry;
}

function createLane(
  table: LaneTable,
  { key, state }: { readonly key: string | null; readonly state: LaneState },
): Lane {
  table.lastNumber += 1;
  return {
    key,
    state,
    at: 0,
    order: table.lastNumber,
    position: -1,
    heap: null,
    lease: null,
    lacking: null,
    choices: noNeeds,
    waitNumber: 0,
    head: null,
    tail: null,
    size: 0,
    previous: null,
    next: null,
  };
}

function attach(lane: Lane, entry: Entry): void {
  entry.lane = lane;
  append(lane, entry);
}

function isStanding(state: LaneState): boolean {
  return state === 'backing-off' || state === 'waiting' || state === 'blocked';
}

/** Whether entry `a` is to be chosen before the first lane of a heap. */
export function isOlder(a: Entry, lane: Lane): boolean {
  return a.readyAt < lane.at || (a.readyAt === lane.at && a.order < lane.order);
}

/** The lane to choose first of two, either of which may be missing. */
export function olderLane(a: Lane | undefined, b: Lane | undefined): Lane | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return before(a, b) ? a : b;
}
