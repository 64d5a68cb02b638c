/**
 * One connection to a server in the `lanes` shape: it stands for one process.
 *
 * Deliveries happen once per turn of the event loop, never inside the call that made them possible.
 * A session renews its lease every third of it, takes over what others left, and finds out by its
 * own next step when others took over from it while it stood still.
 */

import type { Timer } from '../../clock.ts';
import { MaloteError } from '../../errors.ts';
import {
  createHolder,
  nextDue,
  stepAt,
  type Claimant,
  type Step,
} from '../../transport/lane-table.ts';
import { claim, wantsSeclusion } from '../../transport/lane-table-claim.ts';
import { giveBackAll, takeOver } from '../../transport/lane-table-settle.ts';
import { promote } from '../../transport/lane-table-lanes.ts';
import type { Consumption, Demand, Host, Lease, Sink } from '../../transport/transport.ts';
import { alert, type Served, type Server, type SessionPort } from './lanes-server.ts';
import { shuffleUnordered } from './shuffle.ts';

interface Consumer extends Claimant {
  readonly name: string;
  /** The subscription of its name; the one that is gone, until there is another one. */
  served: Served;
  readonly sink: Sink;
  stopped: boolean;
}

export interface LanesSession {
  /** Begins a step: this process is alive, and its ear hears what happens. Throws when closed. */
  act(): Step;
  consume(subscription: string, demand: Demand, sink: Sink): Consumption;
  close(): void;
  abandon(): void;
}

export function startSession(server: Server, host: Host): LanesSession {
  const { clock } = host;
  const holder = createHolder();
  const consumers: Consumer[] = [];
  const losses = new Map<Sink, Lease[]>();
  let isOpen = true;
  let isLooking = false;
  let turn = 0;
  let dueAt = Number.POSITIVE_INFINITY;
  let dueTimer: Timer | null = null;
  let renewal: Timer;

  const port: SessionPort = {
    holder,
    process: host.process,
    consumes: (served) => consumers.some((one) => one.served === served && !one.stopped),
    endsAt: 0,
    takenOver: false,
    look() {
      if (isLooking || !isOpen) return;
      isLooking = true;
      setImmediate(lookNow);
    },
    lose(claimant, leases) {
      const sink = consumers.find((consumer) => consumer === claimant)?.sink;
      if (sink === undefined || leases.length === 0) return;
      losses.set(sink, [...(losses.get(sink) ?? []), ...leases]);
      // Before the promise of the call that ended them answers, so that nobody starts what is lost.
      if (!port.takenOver) queueMicrotask(tellLosses);
    },
  };

  const stepNow = (): Step => {
    server.notify = host.notify;
    return stepAt(clock.now(), host);
  };

  const renew = (step: Step): void => {
    port.endsAt = step.now + host.leaseMs;
    server.sessions.add(port);
    if (!port.takenOver) return;
    port.takenOver = false;
    tellLosses();
    port.look();
  };

  const act = (): Step => {
    if (!isOpen) throw new MaloteError('BUS_STOPPED', 'this connection to memory is closed');
    const step = stepNow();
    if (port.takenOver) renew(step);
    return step;
  };

  const tellLosses = (): void => {
    if (port.takenOver) return;
    const told = [...losses];
    losses.clear();
    for (const [sink, leases] of told) sink.lost(leases);
  };

  const lookNow = (): void => {
    isLooking = false;
    if (!isOpen || port.takenOver) return;
    const step = stepNow();
    // Whoever stood still for longer than its lease has to renew it before it takes anything more.
    if (step.now >= port.endsAt) return;
    takeOverExpired(server, port, step);
    deliverAll(step);
    if (!isOpen) return;
    forgetStopped();
    armDue(step);
  };

  const deliverAll = (step: Step): void => {
    turn += 1;
    for (const consumer of consumers) {
      consumer.served = server.catalog.byName.get(consumer.name) ?? consumer.served;
    }
    const isSecluding = consumers.some(isSeclusionWanted);
    for (let index = 0; index < consumers.length; index++) {
      const consumer = consumers[(index + turn) % consumers.length]!;
      promote(consumer.served.table, step);
      if (isSecluding && !isSeclusionWanted(consumer)) continue;
      const batch = claim(consumer.served.table, consumer, step);
      if (batch.length > 0) consumer.sink.deliver(shuffleUnordered(batch, host.random));
    }
  };

  /** A stopped consumption is known as long as something may still be lost to it. */
  const forgetStopped = (): void => {
    if (holder.held > 0 || losses.size > 0) return;
    for (let index = consumers.length - 1; index >= 0; index--) {
      if (consumers[index]!.stopped) consumers.splice(index, 1);
    }
  };

  const armDue = (step: Step): void => {
    let next = Number.POSITIVE_INFINITY;
    for (const { served } of consumers) next = Math.min(next, nextDue(served.table));
    if (next === dueAt) return;
    dueTimer?.cancel();
    dueAt = next;
    dueTimer = Number.isFinite(next) ? clock.setTimer(onDue, next - step.now) : null;
  };

  const onDue = (): void => {
    dueAt = Number.POSITIVE_INFINITY;
    dueTimer = null;
    lookNow();
  };

  const scheduleRenewal = (): void => {
    renewal = clock.setTimer(() => {
      renew(stepNow());
      scheduleRenewal();
      port.look();
    }, host.leaseMs / 3);
    renewal.unref();
  };

  const leave = (): void => {
    isOpen = false;
    renewal.cancel();
    dueTimer?.cancel();
    for (const { served } of consumers) served.consumers.delete(port);
    consumers.length = 0;
  };

  renew(stepNow());
  scheduleRenewal();
  port.look();

  return {
    act,
    consume(subscription, demand, sink) {
      act();
      const served = server.catalog.byName.get(subscription);
      if (served === undefined) throw notSubscribed(subscription);
      const consumer: Consumer = {
        holder,
        slots: demand.slots,
        credit: 0,
        suspects: 0,
        name: subscription,
        served,
        sink,
        stopped: false,
      };
      consumers.push(consumer);
      served.consumers.add(port);
      return {
        grant(messages) {
          if (consumer.stopped || !isOpen) return;
          consumer.credit += messages;
          port.look();
        },
        stop() {
          consumer.stopped = true;
          consumer.credit = 0;
        },
      };
    },
    close() {
      if (!isOpen) return;
      const step = stepNow();
      giveBackAll(holder, step);
      server.sessions.delete(port);
      const touched = consumers.map(({ served }) => served);
      leave();
      for (const served of touched) alert(served);
    },
    abandon: () => isOpen && leave(),
  };
}

function isSeclusionWanted({ credit, served }: Consumer): boolean {
  return credit > 0 && wantsSeclusion(served.table);
}

/** Frees what processes hold that did not renew in time. */
function takeOverExpired(server: Server, me: SessionPort, step: Step): void {
  for (const other of server.sessions) {
    if (other === me || other.endsAt > step.now) continue;
    server.sessions.delete(other);
    other.takenOver = true;
    loseAll(other);
    for (const [table, messages] of takeOver(other.holder, step)) {
      const { subscription } = table;
      server.notify({ kind: 'taken-over', subscription, messages });
      const served = server.catalog.byName.get(subscription);
      if (served !== undefined) alert(served);
    }
  }
}

function loseAll(session: SessionPort): void {
  for (let held = session.holder.head; held !== null; held = held.next) {
    session.lose(held.claimant, [{ id: held.id, token: held.token }]);
  }
}

function notSubscribed(name: string): MaloteError {
  return new MaloteError(
    'NOT_FOUND',
    `there is no subscription "${name}" to consume; subscribe it first`,
  );
}
