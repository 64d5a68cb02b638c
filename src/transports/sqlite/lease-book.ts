/**
 * The leases this process holds, in memory. The file knows only which lanes and ranges the session
 * owns; which of their messages are settled is known here, and checked here.
 *
 * Changes inside a transaction become true with {@link LeaseBook.commit}; {@link
 * LeaseBook.rollback} undoes them, so that a failed transaction leaves every lease as it was.
 */

import type { Delivery, Lease } from '../../transport/transport.ts';
import type { HeldLease } from './consumers.ts';

/** A delivery under a valid lease, at the place where it may be settled. */
export interface Standing {
  readonly lease: HeldLease;
  readonly index: number;
  readonly delivery: Delivery;
}

/** `acked`: to be removed from the file; `gone`: removed, or a lane of its own by now. */
export const loose = { out: 0, acked: 1, gone: 2 } as const;

export interface LeaseBook {
  readonly held: Map<number, HeldLease>;
  /** Deliveries of this process that are not settled. */
  out: number;
  /** Leases that this transaction changed. */
  readonly touched: HeldLease[];
  readonly fresh: HeldLease[];
  find(lease: Lease): HeldLease | null;
  touch(lease: HeldLease): void;
  add(lease: HeldLease): void;
  begin(): void;
  commit(): void;
  /** Also for a transaction that could not begin. */
  rollback(): void;
  /** Forgets everything, whatever becomes of the transaction; answers what was held. */
  clear(): HeldLease[];
}

export function createLeaseBook(): LeaseBook {
  const held = new Map<number, HeldLease>();
  const touched: HeldLease[] = [];
  const fresh: HeldLease[] = [];
  let outBefore = 0;

  const book: LeaseBook = {
    held,
    out: 0,
    touched,
    fresh,
    find({ id }) {
      const lease = held.get(id);
      return lease === undefined || lease.ended ? null : lease;
    },
    touch(lease) {
      if (lease.touched) return;
      lease.touched = true;
      touched.push(lease);
      if (lease.kind === 'lane') lease.before = { next: lease.next, removed: lease.removed };
      else lease.before = { settled: lease.settled.slice(), left: lease.left };
    },
    add(lease) {
      fresh.push(lease);
    },
    begin() {
      outBefore = book.out;
    },
    commit() {
      for (const lease of touched) {
        lease.touched = false;
        if (lease.ended) held.delete(lease.id);
      }
      for (const lease of fresh) held.set(lease.id, lease);
      touched.length = 0;
      fresh.length = 0;
      outBefore = book.out;
    },
    rollback() {
      for (const lease of touched) restore(lease);
      book.out = outBefore;
      touched.length = 0;
      fresh.length = 0;
    },
    clear() {
      const all = [...held.values()];
      held.clear();
      book.out = 0;
      outBefore = 0;
      return all;
    },
  };
  return book;
}

function restore(lease: HeldLease): void {
  lease.touched = false;
  if (lease.kind === 'loose') {
    lease.settled = lease.before!.settled;
    lease.left = lease.before!.left;
    lease.ended = false;
    return;
  }
  lease.next = lease.before.next;
  lease.removed = lease.before.removed;
  if (lease.ended) lease.batch.left += 1;
  lease.ended = false;
}
