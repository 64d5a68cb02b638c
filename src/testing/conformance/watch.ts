/**
 * What holds in every case, whatever it is about, is watched while it runs:
 *
 * - never more deliveries than granted, none after `stop`, `close` or `abandon`;
 * - the deliveries of one lease are neighbours, and belong to one key;
 * - no lane, and no message without a key, is leased twice at once by processes that answer and
 *   are not closing;
 * - the token of a lane or message grows with every hand-over.
 *
 * A violation does not interrupt the case: it is kept, and ends it when it is done or fails.
 */

import assert from 'node:assert/strict';
import type { Delivery, Lease, Settlement } from '../../transport/transport.ts';

export interface Watch {
  delivered(process: string, batch: readonly Delivery[]): void;
  /** The process is about to ask for these; what it no longer claims may go to another one. */
  settling(process: string, batch: readonly Settlement[]): void;
  lost(process: string, leases: readonly Lease[]): void;
  /** The process is about to close: others may have what it holds before it has closed. */
  closing(process: string): void;
  /** A process that is gone, or stands still, has no say in who holds what until it is awake. */
  silent(process: string): void;
  awake(process: string): void;
  violation(sentence: string): void;
  /** Rejects with the first violations, if there were any. */
  verify(): void;
}

interface Holding {
  readonly process: string;
  readonly lease: Lease;
  readonly messages: Set<string>;
}

export function watch(): Watch {
  const violations: string[] = [];
  const holdings = new Map<string, Holding>();
  const tokens = new Map<string, number>();
  const silent = new Set<string>();
  const closing = new Set<string>();

  const drop = (matches: (holding: Holding) => boolean): void => {
    for (const [lane, holding] of holdings) if (matches(holding)) holdings.delete(lane);
  };

  const hold = (process: string, delivery: Delivery): void => {
    const { lease, id } = delivery;
    const lane = laneOf(delivery);
    const held = holdings.get(lane);
    if (held?.process === process && held.lease.id === lease.id) {
      held.messages.add(id);
      return;
    }
    if (held !== undefined && !closing.has(held.process)) {
      const who = `${held.process} held ${[...held.messages].join(', ')}`;
      violations.push(`${lane} went to ${process} with ${id} while ${who}`);
    }
    const token = tokens.get(lane);
    if (token !== undefined && lease.token <= token) {
      violations.push(`the token of ${lane} went from ${token} to ${lease.token} with ${id}`);
    }
    tokens.set(lane, lease.token);
    holdings.set(lane, { process, lease, messages: new Set([id]) });
  };

  return {
    delivered(process, batch) {
      violations.push(...mixedLeases(batch));
      if (!silent.has(process)) for (const delivery of batch) hold(process, delivery);
    },
    settling(process, batch) {
      for (const { kind, delivery } of batch) {
        const lane = laneOf(delivery);
        const held = holdings.get(lane);
        if (held?.process !== process || held.lease.id !== delivery.lease.id) continue;
        held.messages.delete(delivery.id);
        if (kind !== 'ack' || held.messages.size === 0) holdings.delete(lane);
      }
    },
    lost(process, leases) {
      const ids = new Set(leases.map(({ id }) => id));
      drop((holding) => holding.process === process && ids.has(holding.lease.id));
    },
    closing: (process) => void closing.add(process),
    silent(process) {
      silent.add(process);
      drop((holding) => holding.process === process);
    },
    awake: (process) => void silent.delete(process),
    violation: (sentence) => void violations.push(sentence),
    verify: () => assert.deepEqual(violations.slice(0, 10), [], violations[0]),
  };
}

function laneOf({ subscription, key, id }: Delivery): string {
  return key === null ? `message ${id} of ${subscription}` : `key ${key} of ${subscription}`;
}

function mixedLeases(batch: readonly Delivery[]): string[] {
  const wrong: string[] = [];
  const keys = new Map<number, Delivery>();
  batch.forEach((delivery, index) => {
    const first = keys.get(delivery.lease.id);
    if (first === undefined) keys.set(delivery.lease.id, delivery);
    else if (batch[index - 1]?.lease.id !== delivery.lease.id) {
      wrong.push(`${delivery.id} is apart from ${first.id}, though both are under one lease`);
    } else if (first.key !== delivery.key) {
      wrong.push(`${delivery.id} and ${first.id} of other keys are under one lease`);
    }
  });
  return wrong;
}
