/**
 * The ledger check: what was accepted against what became of it, and how all behaved. Pure: it
 * knows no database, so that whatever fills the books, a test among them, is judged alike.
 */
import type { Fate } from './plan.ts';

export interface Accepted {
  readonly id: string;
  readonly fate: Fate;
}

export interface Entry {
  readonly id: string;
  readonly customerId: string;
}

export interface Books {
  /** Payments that were answered 202. */
  readonly accepted: readonly Accepted[];
  /** Rows of payments, in the order of their commits. */
  readonly payments: readonly Entry[];
  /** Rows of bookings, in the order of their commits. */
  readonly bookings: readonly Entry[];
  readonly dead: readonly { readonly id: string; readonly reason: string }[];
}

/** What should not be, and the payments it befell. */
export interface Finding {
  readonly what: string;
  readonly ids: readonly string[];
}

/** How a payment may die, by what is wrong with it. Any may find that its customer is too late. */
const deaths: Readonly<Record<Fate, readonly string[]>> = {
  sound: ['dependency-timeout'],
  flaky: ['dependency-timeout'],
  orphan: ['dependency-timeout'],
  declined: ['gave-up', 'dependency-timeout'],
  poison: ['attempts-exhausted', 'dependency-timeout'],
};

export function checkLedger({ accepted, payments, bookings, dead }: Books): readonly Finding[] {
  const fates = new Map(accepted.map(({ id, fate }) => [id, fate]));
  const stored = new Set(payments.map(({ id }) => id));
  const booked = new Set(bookings.map(({ id }) => id));
  const buried = new Set(dead.map(({ id }) => id));
  const ids = (list: readonly { readonly id: string }[]): string[] => list.map(({ id }) => id);
  const isBookable = (fate: Fate | undefined): boolean => fate === 'sound' || fate === 'flaky';
  const findings = {
    'accepted, and not stored': ids(accepted).filter((id) => !stored.has(id)),
    'stored, and never accepted': ids(payments).filter((id) => !fates.has(id)),
    lost: [...stored].filter((id) => !booked.has(id) && !buried.has(id)),
    'booked twice': repeated(ids(bookings)),
    'booked and dead': [...booked].filter((id) => buried.has(id)),
    'booked without a payment': [...booked].filter((id) => !stored.has(id)),
    'booked out of order': outOfOrder(payments, bookings),
    'booked against the card': [...booked].filter((id) => !isBookable(fates.get(id) ?? 'sound')),
    'dead for no reason of its own': ids(
      dead.filter(({ id, reason }) => !deaths[fates.get(id) ?? 'sound'].includes(reason)),
    ),
  };
  return Object.entries(findings)
    .filter(([, found]) => found.length > 0)
    .map(([what, found]) => ({ what, ids: found }));
}

function repeated(ids: readonly string[]): string[] {
  const seen = new Set<string>();
  return ids.filter((id) => seen.size === seen.add(id).size);
}

/** Bookings that came after one of the same customer's that was accepted later. */
function outOfOrder(payments: readonly Entry[], bookings: readonly Entry[]): string[] {
  const places = new Map(payments.map(({ id }, place) => [id, place]));
  const latest = new Map<string, number>();
  return bookings.flatMap(({ id, customerId }) => {
    const place = places.get(id) ?? 0;
    const before = latest.get(customerId) ?? -1;
    latest.set(customerId, Math.max(before, place));
    return place < before ? [id] : [];
  });
}

export interface Course {
  readonly seconds: number;
  /** How long rates are fresh. */
  readonly ttlSeconds: number;
  /** Names of processes. */
  readonly killed: readonly string[];
}

/** One per time to live; and whoever is killed with an answer in hand has asked for nothing. */
export function allowedCalls({ seconds, ttlSeconds, killed }: Course): number {
  const workers = killed.filter((name) => name.startsWith('worker')).length;
  return 1 + Math.floor(seconds / ttlSeconds) + workers;
}

/** What the books do not show: how the processes behaved. */
export function checkConduct(
  { succeeded, allowed }: { readonly succeeded: number; readonly allowed: number },
  unwell: readonly string[],
): readonly Finding[] {
  const calls = { what: 'rates asked too often', ids: [`${succeeded} calls, not ${allowed}`] };
  const ends = { what: 'processes that did not end well', ids: unwell };
  return [...(succeeded > allowed ? [calls] : []), ...(unwell.length > 0 ? [ends] : [])];
}
