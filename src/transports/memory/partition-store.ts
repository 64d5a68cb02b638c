/**
 * Looking and acting in the `partitions` shape. The broker knows what stands in its queues, owners
 * know what they make of it; whoever looks asks both.
 */

import { promote } from '../../transport/lane-table-lanes.ts';
import type { LaneTable, Step } from '../../transport/lane-table.ts';
import { createShelf } from '../../transport/shelf.ts';
import type { Lane } from '../../transport/lane-table.ts';
import type {
  CancelOutcome,
  MessageView,
  Page,
  PartitionView,
  Store,
  SubscriptionView,
  WaitingMessage,
  WaitingQuery,
} from '../../transport/store.ts';
import type { Host } from '../../transport/transport.ts';
import {
  confirm,
  depthOf,
  partitionsOf,
  type Broker,
  type BrokerQueue,
  type BrokerSubscription,
  type Carried,
} from './broker.ts';
import { ackCarried } from './broker-queues.ts';
import { askToReopen, dropReturning, redriveRecord } from './broker-steps.ts';
import { dropKept } from './catalog.ts';
import {
  deadCount,
  deadOfId,
  deadOfKey,
  mostRedriven,
  pageOfDead,
  redriven,
  unbury,
  type DeadRecord,
} from './dead-letters.ts';
import { finish, finishedNamed } from './finished.ts';
import { pageOver } from './pages.ts';
import {
  cancelledView,
  viewOf,
  viewOfCarried,
  viewOfDead,
  viewOfKept,
  waitingView,
} from './views.ts';

export interface Looking {
  readonly broker: Broker;
  readonly host: Host;
  /** Throws when the connection is closed. */
  act(): Step;
}

export function storeOf({ broker, host, act }: Looking): Store {
  return {
    get: async (id) => getViews(broker, id, act()),
    cancel: async (id, subscription) => cancelOne(broker, { id, subscription }, act()),
    async dead(query) {
      act();
      return pageOfDead(broker.dead, query);
    },
    async redrive(which) {
      const asking = { ...act(), notify: host.notify };
      let count = 0;
      const most = mostRedriven(which);
      for (const record of redriven(broker.dead, which)) {
        if (count < most) count += redriveRecord(broker, record, asking);
      }
      await confirm(broker);
      return count;
    },
    waiting: async (query) => waitingPage(broker, query, act()),
    subscriptions: async () => subscriptionViews(broker, act()),
    async setPaused(name, isPaused) {
      act();
      const subscription = broker.catalog.byName.get(name);
      if (subscription === undefined) return false;
      subscription.isPaused = isPaused;
      for (const member of subscription.members) member.changed();
      await confirm(broker);
      return true;
    },
  };
}

function getViews(broker: Broker, id: string, step: Step): MessageView[] {
  const views: MessageView[] = [...finishedNamed(broker.finished, id, step.now)];
  const kept = broker.catalog.keptById.get(id);
  if (kept !== undefined) views.push(viewOfKept(kept, step.now));
  for (const subscription of broker.catalog.byName.values()) {
    const tags = new Set<number>();
    for (const member of subscription.members) {
      for (const { table, entry } of member.find(id)) {
        promote(table, step);
        tags.add(entry.tag);
        views.push(viewOf(table, entry));
      }
    }
    for (const carried of subscription.byId.get(id) ?? []) {
      const isShown = !tags.has(carried.tag) && !carried.isBuried;
      if (isShown) views.push(viewOfCarried(carried));
    }
  }
  views.push(...deadOfId(broker.dead, id).map(viewOfDead));
  return views;
}

interface Cancelling {
  readonly id: string;
  /** Undefined for whoever has it. */
  readonly subscription: string | undefined;
}

function cancelOne(
  broker: Broker,
  { id, subscription: only }: Cancelling,
  step: Step,
): CancelOutcome {
  let outcome: CancelOutcome = 'not-found';
  const kept = broker.catalog.keptById.get(id);
  if (kept !== undefined && only === undefined) {
    dropKept(broker.catalog, kept);
    finish(broker.finished, cancelledView(viewOfKept(kept, step.now), step), step);
    outcome = 'cancelled';
  }
  for (const [name, subscription] of broker.catalog.byName) {
    if ((only ?? name) !== name) continue;
    for (const cancelled of cancelIn(broker, subscription, { id, step })) {
      if (cancelled === 'cancelled' || outcome === 'not-found') outcome = cancelled;
    }
  }
  return outcome;
}

function cancelIn(
  broker: Broker,
  subscription: BrokerSubscription,
  { id, step }: { readonly id: string; readonly step: Step },
): CancelOutcome[] {
  const outcomes = [...subscription.members].map((member) => member.cancel(id));
  const cancelled = (view: MessageView): void => {
    finish(broker.finished, cancelledView(view, step), step);
    subscription.cancelledCount += 1;
    outcomes.push('cancelled');
  };
  for (const carried of [...(subscription.byId.get(id) ?? [])]) {
    if (!isWaiting(carried)) continue;
    cancelled(viewOfCarried(carried));
    ackCarried(broker, carried);
  }
  for (const record of [...subscription.returning.values()].flat()) {
    if (record.message.id !== id || isTaken(subscription, id)) continue;
    dropReturning(subscription, record);
    cancelled(viewOfDead(record));
  }
  for (const record of deadOfId(broker.dead, id)) {
    if (record.subscription !== subscription.spec.name) continue;
    unbury(broker.dead, record);
    cancelled(viewOfDead(record));
    openIfAlive(broker, subscription, { record, now: step.now });
  }
  return outcomes;
}

/** A key that no dead letter holds shut any more goes on. */
function openIfAlive(
  broker: Broker,
  subscription: BrokerSubscription,
  { record, now }: { readonly record: DeadRecord; readonly now: number },
): void {
  const { key, message } = record;
  if (key === null || !subscription.shut.has(key)) return;
  if (deadOfKey(broker.dead, subscription.spec.name, key).length > 0) return;
  askToReopen(broker, subscription, { key, message, now });
}

function isWaiting({ state, isBuried }: Carried): boolean {
  return (state === 'delayed' || state === 'ready') && !isBuried;
}

function isTaken({ members }: BrokerSubscription, id: string): boolean {
  return [...members].some((member) => member.find(id).length > 0);
}

function waitingPage(broker: Broker, query: WaitingQuery, step: Step): Page<WaitingMessage> {
  const { subscription, fact } = query;
  const wanted = [...broker.catalog.byName].filter(([name]) => (subscription ?? name) === name);
  const tables = new Map<string, LaneTable>();
  for (const [name, { members }] of wanted) {
    let part = 0;
    for (const member of members) {
      for (const table of member.tables()) tables.set(`${name}/${part++}`, table);
    }
  }
  for (const table of tables.values()) promote(table, step);
  return pageOver(
    [...tables].map(([name, table]) => ({
      name,
      shelf: fact === null ? table.waiting : (table.waitingOn.get(fact) ?? createShelf<Lane>()),
    })),
    {
      query,
      numberOf: ({ waitNumber }) => waitNumber,
      show: (lane, name) => waitingView(tables.get(name)!, lane),
    },
  );
}

function subscriptionViews(broker: Broker, step: Step): SubscriptionView[] {
  return [...broker.catalog.byName.values()].map((subscription) => {
    const { spec, isPaused, shut, delayedCount, doneCount, cancelledCount } = subscription;
    let [leased, retrying, waiting] = [0, 0, 0];
    for (const member of subscription.members) {
      for (const table of member.tables()) {
        promote(table, step);
        leased += table.counts.leased;
        retrying += table.counts.retrying;
        waiting += table.counts.waiting;
      }
    }
    const depth = depthOf(subscription);
    const consuming = [...subscription.members].filter(({ isLeaving }) => !isLeaving);
    const blocked = [...shut].filter(([, state]) => state === 'blocked').map(([key]) => key);
    return {
      ...spec,
      paused: isPaused,
      blockedKeys: blocked.slice(0, 100),
      consumers: new Set(consuming.map(({ process }) => process)).size,
      partitions: partitionsOf(subscription).map(ownerOf),
      stats: {
        oldestAt: oldestIn(subscription),
        depth,
        scheduled: delayedCount,
        ready: depth - delayedCount - leased - retrying - waiting,
        leased,
        retrying,
        waiting,
        dead: deadCount(broker.dead, spec.name),
        done: doneCount,
        cancelled: cancelledCount,
      },
    };
  });
}

function ownerOf({ channels }: BrokerQueue, index: number): PartitionView {
  const [channel] = channels;
  return { index, owner: channel?.member.process ?? null };
}

function oldestIn({ carried }: BrokerSubscription): number | null {
  for (const { acceptedAt, state, isBuried } of carried.values()) {
    if (state !== 'delayed' && !isBuried) return acceptedAt;
  }
  return null;
}
