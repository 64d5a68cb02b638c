/**
 * Who had what at work when it died.
 *
 * A connection writes the whole of it once per turn, before it hands anything out: one small write
 * for any number of messages, waited for only where one of them is no longer ordinary. A broker
 * that is told nothing else can then tell the guilty from those that merely stood in its window.
 */

import type { Suspicion } from '../../transport/transport.ts';
import type { Broker, Ledger } from './broker.ts';

/** Ledgers of the dead that are kept; what nobody judged by then was acknowledged long ago. */
const mostLedgers = 64;

export function createLedger(): Ledger {
  return { out: new Set(), judged: new Set() };
}

export function workName(subscription: string, id: string): string {
  return `${subscription}\n${id}`;
}

export function keepLedger(broker: Broker, ledger: Ledger): void {
  if (ledger.out.size === 0) return;
  broker.ledgers.push(ledger);
  if (broker.ledgers.length > mostLedgers) broker.ledgers.shift();
}

/** What the death of its last holder says about a message. Each ledger is heard once about it. */
export function judge(broker: Broker, name: string): Suspicion {
  const ledger = broker.ledgers.findLast(({ out, judged }) => out.has(name) && !judged.has(name));
  if (ledger === undefined) return 'none';
  for (const older of broker.ledgers) if (older.out.has(name)) older.judged.add(name);
  return ledger.out.size === 1 ? 'alone' : 'beside';
}
