/** Looking and acting in the `lanes` shape, over the records of the server. */

import { depth, type Lane, type Step } from '../../transport/lane-table.ts';
import { promote, remove, reopen, push, type Arrival } from '../../transport/lane-table-lanes.ts';
import { entriesNamed } from '../../transport/lane-table-names.ts';
import { createShelf } from '../../transport/shelf.ts';
import type {
  CancelOutcome,
  MessageView,
  Page,
  SubscriptionView,
  WaitingMessage,
  WaitingQuery,
} from '../../transport/store.ts';
import { dropKept } from './catalog.ts';
import { deadCount, deadOfId, deadOfKey, unbury, type DeadRecord } from './dead-letters.ts';
import { finish, finishedNamed } from './finished.ts';
import { alert, type Served, type Server } from './lanes-server.ts';
import { pageOver } from './pages.ts';
import { rememberFromEnd } from './repetitions.ts';
import { storyOfReturn } from './returns.ts';
import { cancelledView, oldestOf, viewOf, viewOfDead, viewOfKept, waitingView } from './views.ts';

const mostBlockedShown = 100;

export function getViews(server: Server, id: string, step: Step): MessageView[] {
  const views: MessageView[] = [...finishedNamed(server.finished, id, step.now)];
  const kept = server.catalog.keptById.get(id);
  if (kept !== undefined) views.push(viewOfKept(kept, step.now));
  for (const { table } of server.catalog.byName.values()) {
    promote(table, step);
    for (const entry of entriesNamed(table, id)) views.push(viewOf(table, entry));
  }
  views.push(...deadOfId(server.dead, id).map(viewOfDead));
  return views;
}

export interface Cancelling {
  readonly id: string;
  /** Undefined for whoever has it. */
  readonly subscription: string | undefined;
}

export function cancelOne(
  server: Server,
  { id, subscription }: Cancelling,
  step: Step,
): CancelOutcome {
  let outcome: CancelOutcome = 'not-found';
  const kept = server.catalog.keptById.get(id);
  if (kept !== undefined && subscription === undefined) {
    dropKept(server.catalog, kept);
    rememberFromEnd(server.repetitions, kept, step.now);
    finish(server.finished, cancelledView(viewOfKept(kept, step.now), step), step);
    outcome = 'cancelled';
  }
  for (const [name, served] of server.catalog.byName) {
    if ((subscription ?? name) !== name) continue;
    const cancelled = cancelIn(server, { served, id }, step);
    if (cancelled === 'cancelled' || outcome === 'not-found') outcome = cancelled;
  }
  return outcome;
}

function cancelIn(
  server: Server,
  { served, id }: { readonly served: Served; readonly id: string },
  step: Step,
): CancelOutcome {
  const { table } = served;
  let outcome: CancelOutcome = 'not-found';
  for (const entry of entriesNamed(table, id)) {
    if (entry.lease !== null) {
      if (outcome === 'not-found') outcome = 'leased';
      continue;
    }
    finish(server.finished, cancelledView(viewOf(table, entry), step), step);
    remove(table, entry, step);
    rememberFromEnd(server.repetitions, entry, step.now);
    table.counts.cancelled += 1;
    outcome = 'cancelled';
  }
  for (const dead of deadOfId(server.dead, id)) {
    if (dead.subscription !== served.spec.name) continue;
    finish(server.finished, cancelledView(viewOfDead(dead), step), step);
    unbury(server.dead, dead);
    rememberFromEnd(server.repetitions, dead, step.now);
    table.counts.cancelled += 1;
    outcome = 'cancelled';
    openIfAlive(server, { served, key: dead.key }, step);
  }
  alert(served);
  return outcome;
}

/** A key that no dead letter holds shut any more goes on. */
function openIfAlive(
  server: Server,
  { served, key }: { readonly served: Served; readonly key: string | null },
  step: Step,
): void {
  if (key === null || !isShut(served, key)) return;
  if (deadOfKey(server.dead, served.spec.name, key).length > 0) return;
  reopen(served.table, { key, arrivals: [] }, step);
  served.blockedKeys.delete(key);
}

/** Sends one dead letter back, or with it all of its key where they hold the key shut. */
export function redriveOne(server: Server, dead: DeadRecord, step: Step): number {
  const served = server.catalog.byName.get(dead.subscription);
  if (served === undefined || !deadOfId(server.dead, dead.message.id).includes(dead)) return 0;
  const { key } = dead;
  if (key === null || !isShut(served, key)) {
    const into = served.spec.order === 'key' ? key : null;
    push(served.table, revived(server, { served, dead, key: into }, step), step);
    alert(served);
    return 1;
  }
  const whole = deadOfKey(server.dead, dead.subscription, key);
  // They keep their key, whatever the order is by now: it is what those behind them wait for.
  const arrivals = whole.map((one) => revived(server, { served, dead: one, key }, step));
  reopen(served.table, { key, arrivals }, step);
  served.blockedKeys.delete(key);
  alert(served);
  return whole.length;
}

interface Reviving {
  readonly served: Served;
  readonly dead: DeadRecord;
  readonly key: string | null;
}

function revived(server: Server, { served, dead, key }: Reviving, step: Step): Arrival {
  unbury(server.dead, dead);
  server.lastOrder += 1;
  const { message, acceptedAt } = dead;
  return {
    message,
    key,
    tag: server.lastOrder,
    order: server.lastOrder,
    acceptedAt,
    needs: served.spec.waits ? message.facts : [],
    readyAt: step.now,
    attempt: 1,
    story: storyOfReturn(dead, step),
  };
}

function isShut({ table }: Served, key: string): boolean {
  const state = table.byKey.get(key)?.state;
  return state === 'blocked' || state === 'diverting';
}

export function waitingPage(server: Server, query: WaitingQuery, step: Step): Page<WaitingMessage> {
  const { subscription, fact } = query;
  const wanted = [...server.catalog.byName].filter(([name]) => (subscription ?? name) === name);
  for (const [, { table }] of wanted) promote(table, step);
  return pageOver(
    wanted.map(([name, { table }]) => ({
      name,
      shelf: fact === null ? table.waiting : (table.waitingOn.get(fact) ?? createShelf<Lane>()),
    })),
    {
      query,
      numberOf: ({ waitNumber }) => waitNumber,
      show: (lane, name) => waitingView(server.catalog.byName.get(name)!.table, lane),
    },
  );
}

export function subscriptionViews(server: Server, step: Step): SubscriptionView[] {
  return [...server.catalog.byName.values()].map((served) => {
    const { spec, table, blockedKeys } = served;
    promote(table, step);
    const { scheduled, ready, leased, retrying, waiting, done, cancelled } = table.counts;
    const dead = deadCount(server.dead, spec.name);
    const consuming = [...served.consumers].filter((session) => session.consumes(served));
    return {
      ...spec,
      paused: table.paused,
      blockedKeys: [...blockedKeys].slice(0, mostBlockedShown),
      consumers: new Set(consuming.map(({ process }) => process)).size,
      partitions: null,
      stats: {
        oldestAt: oldestOf(table.byTag.values()),
        depth: depth(table),
        scheduled,
        ready,
        leased,
        retrying,
        waiting,
        dead,
        done,
        cancelled,
      },
    };
  });
}

export function pause(server: Server, subscription: string, paused: boolean): boolean {
  const served = server.catalog.byName.get(subscription);
  if (served === undefined) return false;
  served.table.paused = paused;
  alert(served);
  return true;
}
