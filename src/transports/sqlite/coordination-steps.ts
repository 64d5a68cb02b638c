/**
 * Locks and cached values inside a turn: who takes, keeps, gives back and forgets. The engine's
 * clock is the time of the file; while that has just jumped forward the ends of leases say nothing.
 */

import type { Result, Slot } from '../../transport/coordination.ts';
import {
  keptAfter,
  sightOf,
  type Kept,
  type KeptHold,
  type Sight,
} from '../../transport/coordination-sight.ts';
import { stepRows } from './chores.ts';
import type { Session } from './session.ts';

export interface Held {
  readonly slot: Slot;
  readonly token: number;
}

export interface Look {
  readonly now: number;
  readonly waitedFor: number | null;
}

/** How many rows that are over go with each that comes. */
const sweepStep = 2;

export function see(session: Session, slot: Slot, look: Look): Sight {
  return sightOf(holdOf(session, slot, look.now), keptOf(session, slot), look);
}

function holdOf({ slots, time }: Session, { space, key }: Slot, now: number): KeptHold | null {
  const row = slots.hold.get(space, key);
  if (row === undefined) return null;
  const [token, until] = row;
  return { token, until: Math.max(until, now + time.doubtMs()) };
}

export function keptOf({ slots }: Session, { space, key }: Slot): Kept | null {
  const row = slots.entry.get(space, key);
  if (row === undefined) return null;
  const [token, value, freshUntil, keptUntil, name, message, failedToken, failedUntil, endsAt] =
    row;
  const failure = name === null ? null : { name, message: message ?? '' };
  return { token, value, freshUntil, keptUntil, failure, failedToken, failedUntil, endsAt };
}

export interface Claim {
  readonly leaseMs: number;
  readonly waitedFor: number | null;
}

/** Answers the token of the new hold, or null where the slot is not free. */
export function take(session: Session, slot: Slot, claim: Claim): number | null {
  const { slots, ledger, id } = session;
  const { now } = ledger;
  if (see(session, slot, { now, waitedFor: claim.waitedFor }).kind !== 'free') return null;
  const token = ++ledger.lease;
  slots.setHold.run(slot.space, slot.key, token, id, now + Math.ceil(claim.leaseMs));
  return token;
}

export function extend(session: Session, { slot, token }: Held, leaseMs: number): boolean {
  const { slots, ledger } = session;
  const until = ledger.now + Math.ceil(leaseMs);
  stamp(session);
  return changed(slots.extend.run(until, slot.space, slot.key, token, judgedAt(session)));
}

/** Ends a hold; answers whether it was valid. */
export function end(session: Session, { slot, token }: Held): boolean {
  const { slots, ledger } = session;
  if (!changed(slots.end.run(slot.space, slot.key, token, judgedAt(session)))) return false;
  ledger.stirred = true;
  return true;
}

export function put(session: Session, held: Held, result: Result): boolean {
  if (!end(session, held)) return false;
  const { slots, ledger } = session;
  const { space, key } = held.slot;
  stamp(session);
  const before = keptOf(session, held.slot);
  if (before === null) makeRoom(session, space, result.mostEntries);
  const kept = keptAfter(before, held.token, result, ledger.now);
  const { token, value, failure, failedToken } = kept;
  slots.setEntry.run(
    space,
    key,
    token,
    value,
    Math.ceil(kept.freshUntil),
    Math.ceil(kept.keptUntil),
    failure?.name ?? null,
    failure?.message ?? null,
    failedToken,
    Math.ceil(kept.failedUntil),
    Math.ceil(kept.endsAt),
  );
  return true;
}

/** What is over goes first, then what ends first; counts the one to come. */
function makeRoom(session: Session, space: string, mostEntries: number): void {
  const { slots } = session;
  sweep(session, sweepStep);
  const [entries] = slots.entriesOf.get(space) ?? [0];
  const tooMany = Math.min(entries + 1 - mostEntries, sweepStep);
  const evicted = tooMany > 0 ? Number(slots.evict.run(space, tooMany).changes) : 0;
  slots.count.run(space, 1 - evicted);
}

export function invalidate(session: Session, { space, key }: Slot): void {
  const { slots, ledger } = session;
  if (changed(slots.cancel.run(space, key))) ledger.stirred = true;
  if (changed(slots.removeEntry.run(space, key))) slots.count.run(space, -1);
}

/** Now and then: what nobody can want any more. */
export function sweepSlots(session: Session): void {
  sweep(session, stepRows);
}

function sweep(session: Session, rows: number): void {
  const { slots, ledger } = session;
  const removed = new Map<string, number>();
  for (const [space] of slots.sweepEntries.all(ledger.now, rows)) {
    removed.set(space, (removed.get(space) ?? 0) + 1);
  }
  for (const [space, count] of removed) slots.count.run(space, -count);
  if (session.time.doubtMs() === 0) slots.sweepHolds.run(ledger.now, rows);
}

/** Sessions that are closed, or known to be dead, hold nothing. */
export function endHoldsOf({ slots, ledger }: Session, sessions: Iterable<number>): void {
  for (const session of sessions) {
    if (changed(slots.endOwned.run(session))) ledger.stirred = true;
  }
}

/** What is written has the time of this turn, which the file keeps where a number was used. */
function stamp({ ledger }: Session): void {
  ledger.lease += 1;
}

/** Whose lease ends after this is valid. */
function judgedAt({ ledger, time }: Session): number {
  return time.doubtMs() > 0 ? 0 : ledger.now;
}

function changed({ changes }: { readonly changes: number | bigint }): boolean {
  return Number(changes) > 0;
}
