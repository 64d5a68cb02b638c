/**
 * The shared side of locks and cached values in memory. Every function is one synchronous step.
 *
 * Memory is bounded: entries leave a heap by their end, two for every one that comes, and holds
 * that nobody came back for are found by walking on a little with every new one.
 */

import type { Result, Slot } from '../../transport/coordination.ts';
import { nameOf, type Line } from '../../transport/coordination-line.ts';
import {
  keptAfter,
  sightOf,
  type Kept,
  type KeptHold,
  type Moment,
  type Sight,
} from '../../transport/coordination-sight.ts';
import {
  createHeap,
  heapPush,
  heapRemove,
  type Heap,
  type HeapItem,
} from '../../transport/heap.ts';

export interface Slots {
  readonly holds: Map<string, OwnedHold>;
  readonly spaces: Map<string, Space>;
  /** The lines of all connections. */
  readonly lines: Set<Line>;
  lastToken: number;
  walk: Iterator<[string, OwnedHold]> | null;
}

export interface OwnedHold extends KeptHold {
  readonly owner: object;
}

interface Space {
  readonly entries: Map<string, Item>;
  readonly byEnd: Heap<Item>;
}

interface Item extends HeapItem {
  readonly key: string;
  readonly kept: Kept;
}

/** How many that are over are looked for with each that comes. */
const sweepStep = 2;

export function createSlots(): Slots {
  return { holds: new Map(), spaces: new Map(), lines: new Set(), lastToken: 0, walk: null };
}

export function see(slots: Slots, slot: Slot, moment: Moment): Sight {
  return sightOf(slots.holds.get(nameOf(slot)) ?? null, keptIn(slots, slot), moment);
}

export function keptIn(slots: Slots, { space, key }: Slot): Kept | null {
  return slots.spaces.get(space)?.entries.get(key)?.kept ?? null;
}

export interface Claim extends Moment {
  readonly owner: object;
  readonly leaseMs: number;
}

/** Answers the token of the new hold, or null where the slot is not free. */
export function take(slots: Slots, slot: Slot, claim: Claim): number | null {
  if (see(slots, slot, claim).kind !== 'free') return null;
  const { owner, now, leaseMs } = claim;
  sweepHolds(slots, now);
  const token = ++slots.lastToken;
  slots.holds.set(nameOf(slot), { token, owner, until: now + leaseMs });
  return token;
}

/** The hold under this token, as long as it is valid. */
export function heldBy(
  slots: Slots,
  held: { readonly slot: Slot; readonly token: number },
  now: number,
): OwnedHold | null {
  const hold = slots.holds.get(nameOf(held.slot));
  return hold !== undefined && hold.token === held.token && hold.until > now ? hold : null;
}

/** Keeps its place in the walk. */
export function prolong(slots: Slots, slot: Slot, hold: OwnedHold): void {
  slots.holds.set(nameOf(slot), hold);
}

export function end(slots: Slots, slot: Slot): void {
  slots.holds.delete(nameOf(slot));
  alert(slots);
}

export function endAllOf(slots: Slots, owner: object): void {
  for (const [name, hold] of slots.holds) if (hold.owner === owner) slots.holds.delete(name);
  alert(slots);
}

export function keep(
  slots: Slots,
  { slot, token }: { readonly slot: Slot; readonly token: number },
  result: Result,
  now: number,
): void {
  const kept = keptAfter(keptIn(slots, slot), token, result, now);
  forget(slots, slot);
  const space = spaceOf(slots, slot.space);
  sweepEntries(space, now, result.mostEntries);
  const item: Item = { key: slot.key, kept, at: kept.endsAt, order: token, position: -1 };
  space.entries.set(slot.key, item);
  heapPush(space.byEnd, item);
}

export function forget(slots: Slots, { space: name, key }: Slot): void {
  const space = slots.spaces.get(name);
  const item = space?.entries.get(key);
  if (space === undefined || item === undefined) return;
  space.entries.delete(key);
  heapRemove(space.byEnd, item);
}

/** Makes room for one more. */
function sweepEntries(space: Space, now: number, mostEntries: number): void {
  for (let step = 0; step < sweepStep; step++) {
    const first = space.byEnd.items[0];
    const isFull = space.entries.size >= mostEntries;
    if (first === undefined || (first.at > now && !isFull)) return;
    space.entries.delete(first.key);
    heapRemove(space.byEnd, first);
  }
}

function sweepHolds(slots: Slots, now: number): void {
  for (let step = 0; step < sweepStep; step++) {
    slots.walk ??= slots.holds.entries();
    const { value, done } = slots.walk.next();
    if (done === true) slots.walk = null;
    else if (value[1].until <= now) slots.holds.delete(value[0]);
  }
}

function spaceOf(slots: Slots, name: string): Space {
  const known = slots.spaces.get(name);
  if (known !== undefined) return known;
  const space: Space = { entries: new Map(), byEnd: createHeap() };
  slots.spaces.set(name, space);
  return space;
}

/** Those who wait look in a later turn, never inside the step that made it possible. */
function alert({ lines }: Slots): void {
  setImmediate(() => {
    for (const line of lines) line.look();
  });
}
