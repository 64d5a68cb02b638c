/** What the broker may ask of a member: to take, to let go, and to answer those who look. */

import { endLeases } from '../../transport/lane-table-settle.ts';
import { changeSettings, remove } from '../../transport/lane-table-lanes.ts';
import { entriesNamed } from '../../transport/lane-table-names.ts';
import { NumberMap } from '../../transport/number-map.ts';
import type { CancelOutcome } from '../../transport/store.ts';
import type { Lease } from '../../transport/transport.ts';
import { type BrokerSubscription } from './broker.ts';
import { ackCarried } from './broker-queues.ts';
import { finish } from './finished.ts';
import {
  dropHold,
  finishSource,
  takeHold,
  takePush,
  type PartitionContext,
  type PartitionMember,
} from './partition-member.ts';
import { cancelledView, viewOf } from './views.ts';

export function createMember(
  context: PartitionContext,
  subscription: BrokerSubscription,
): PartitionMember {
  const member: PartitionMember = {
    context,
    subscription,
    channels: new Set(),
    consumers: new Set(),
    holds: new Map(),
    sources: new NumberMap(),
    returns: new Map(),
    isLeaving: false,
    process: context.host.process,
    assigned: (channel) => takeHold(member, channel),
    revoked(channel) {
      const hold = member.holds.get(channel);
      if (hold === undefined) return;
      hold.isDraining = true;
      hold.table.paused = true;
      context.look();
    },
    pushed(channel, batch) {
      const hold = member.holds.get(channel);
      if (hold !== undefined) takePush(member, hold, batch);
    },
    changed: () => applyChange(member),
    forgotten: () => forget(member),
    find: (id) => entriesOf(member, id),
    cancel: (id) => cancel(member, id),
    tables: () => [...member.holds.values()].map(({ table }) => table),
  };
  return member;
}

function applyChange({ holds, subscription, context }: PartitionMember): void {
  for (const hold of holds.values()) {
    changeSettings(hold.table, subscription.spec);
    hold.table.paused = subscription.isPaused || hold.isDraining;
  }
  context.look();
}

function forget(member: PartitionMember): void {
  const { context, holds, consumers } = member;
  const { holder } = context;
  for (const consumer of consumers) {
    const lost: Lease[] = [];
    for (let held = holder.head; held !== null; held = held.next) {
      if (held.claimant === consumer) lost.push({ id: held.id, token: held.token });
    }
    if (lost.length > 0) queueMicrotask(() => consumer.sink.lost(lost));
  }
  for (const hold of holds.values()) {
    endLeases(holder, hold.table, context.step());
    dropHold(member, hold);
  }
  context.look();
}

function entriesOf({ holds }: PartitionMember, id: string): ReturnType<PartitionMember['find']> {
  return [...holds.values()].flatMap(({ table }) => {
    return entriesNamed(table, id).map((entry) => ({ table, entry }));
  });
}

function cancel(member: PartitionMember, id: string): CancelOutcome {
  const { context, subscription } = member;
  let outcome: CancelOutcome = 'not-found';
  for (const { table, entry } of entriesOf(member, id)) {
    if (entry.lease !== null) {
      if (outcome === 'not-found') outcome = 'leased';
      continue;
    }
    const step = context.step();
    finish(context.broker.finished, cancelledView(viewOf(table, entry), step), step);
    remove(table, entry, step);
    finishSource(member, entry);
    subscription.cancelledCount += 1;
    outcome = 'cancelled';
  }
  for (const carried of subscription.byId.get(id) ?? []) {
    // Pushed here, and its note is still being read.
    const isMine = carried.channel?.member === member && !member.sources.has(carried.tag);
    if (!isMine || carried.state !== 'pushed') continue;
    ackCarried(context.broker, carried);
    subscription.cancelledCount += 1;
    outcome = 'cancelled';
  }
  context.look();
  return outcome;
}
