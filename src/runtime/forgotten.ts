/**
 * Notices a publish that forgot the transaction it belongs to: one without `tx` while a transaction
 * is open on a connection that was passed as `tx` before, or inside a function of
 * `bus.transaction` or `ctx.transaction`. Its message exists whatever becomes of that transaction.
 */

import type { Events } from './events.ts';
import { isInside } from './inside.ts';
import type { Link } from './link.ts';

export interface Forgotten<Tx> {
  /** A publish came with this. */
  used(tx: Tx): void;
  /** A publish came without: told, once for each type, where it looks as if it forgot one. */
  look(type: string): void;
}

/** Connections remembered; the oldest is forgotten first and only loses its warning. */
const mostConnections = 8;

export function createForgotten<Tx>(joined: Link<Tx>, events: Events): Forgotten<Tx> {
  let known: WeakRef<Tx & object>[] = [];
  const told = new Set<string>();

  function isOpen(one: WeakRef<Tx & object>): boolean {
    const tx = one.deref();
    return tx !== undefined && (joined.transport?.join?.isOpen(tx) ?? false);
  }

  return {
    used(tx) {
      if (known.some((one) => one.deref() === tx)) return;
      known = [new WeakRef(tx as Tx & object), ...known].slice(0, mostConnections);
    },
    look(type) {
      if (known.length === 0 && !isInside()) return;
      if (told.has(type) || !(isInside() || known.some(isOpen))) return;
      told.add(type);
      events.emit({ kind: 'transaction-forgotten', type });
    },
  };
}
