/**
 * Settlements in the `lanes` shape: each is one step, an ack with its facts and its publishes.
 */

import type { Entry, Step } from '../../transport/lane-table.ts';
import {
  ack,
  die,
  giveBack,
  heldEntry,
  noteFailure,
  park,
  retry,
} from '../../transport/lane-table-settle.ts';
import type { Settlement, SettleOutcome } from '../../transport/transport.ts';
import { finish } from './finished.ts';
import {
  alert,
  buryEntry,
  divert,
  fullFor,
  open,
  publishAll,
  type Served,
  type Server,
} from './lanes-server.ts';
import { rememberFromEnd } from './repetitions.ts';
import { viewOf } from './views.ts';

export function settleAll(
  server: Server,
  batch: readonly Settlement[],
  step: Step,
): SettleOutcome[] {
  const touched = new Set<Served>();
  const full = new Set<number>();
  const outcomes = batch.map((settlement): SettleOutcome => {
    const { subscription, lease } = settlement.delivery;
    const served = server.catalog.byName.get(subscription);
    // Behind a message that found no room, the lease is still held and nobody's turn has come.
    if (full.has(lease.id) && settlement.delivery.key !== null) return 'full';
    const entry = served === undefined ? null : heldEntry(served.table, settlement.delivery);
    if (served === undefined || entry === null) return 'lease-lost';
    touched.add(served);
    const outcome = settleOne(server, { served, entry, settlement }, step);
    if (outcome === 'full') full.add(lease.id);
    return outcome;
  });
  for (const served of touched) alert(served);
  return outcomes;
}

interface Settling<Kind extends Settlement['kind'] = Settlement['kind']> {
  readonly served: Served;
  readonly entry: Entry;
  readonly settlement: Extract<Settlement, { readonly kind: Kind }>;
}

function settleOne(
  server: Server,
  { served, entry, settlement }: Settling,
  step: Step,
): SettleOutcome {
  const { table } = served;
  switch (settlement.kind) {
    case 'ack':
      return acknowledge(server, { served, entry, settlement }, step);
    case 'retry':
      retry(table, entry, settlement, step);
      return 'settled';
    case 'release':
      giveBack(table, entry, settlement.afterMs, step);
      return 'settled';
    case 'park':
      return park(table, entry, settlement.facts, step) === 'parked' ? 'settled' : 'not-parked';
    case 'dead-letter':
      deadLetter(server, { served, entry, settlement }, step);
      return 'settled';
  }
}

function acknowledge(
  server: Server,
  { served, entry, settlement }: Settling<'ack'>,
  step: Step,
): SettleOutcome {
  const { opens, publish } = settlement;
  const isFull = publish.length > 0 && fullFor(server, publish, served.spec.name) !== undefined;
  if (isFull) return 'full';
  ack(served.table, entry, step);
  rememberFromEnd(server.repetitions, entry, step.now);
  if (entry.story !== null && entry.story.history.length > 0) {
    finish(server.finished, viewOf(served.table, entry, { state: 'done' }), step);
  }
  for (const fact of opens) open(server, fact, step);
  if (publish.length > 0) publishAll(server, publish, step);
  return 'settled';
}

function deadLetter(
  server: Server,
  { served, entry, settlement }: Settling<'dead-letter'>,
  step: Step,
): void {
  const { reason, failure, attempts } = settlement;
  const subscription = served.spec.name;
  const { claimant } = entry.lease!;
  noteFailure(entry, failure);
  const death = die(served.table, entry, step);
  buryEntry(server, { subscription, entry, reason, attempts }, step);
  for (const follower of death.diverted) divert(server, { subscription, entry: follower }, step);
  if (death.effect === 'blocked') {
    const key = entry.key ?? '';
    served.blockedKeys.add(key);
    server.notify({ kind: 'blocked', subscription, key, id: entry.message.id });
  }
  if (death.cut === null) return;
  for (const session of served.consumers) {
    if (session.holder === claimant.holder) session.lose(claimant, [death.cut]);
  }
}
