/**
 * The queues of the broker: what comes in goes out in order, and what was not acknowledged comes
 * back in order when its channel closes.
 */

import { heapPush, heapRemove } from '../../transport/heap.ts';
import { append, createList, prepend, unlink } from '../../transport/linked-list.ts';
import type { Story } from '../../transport/lane-table.ts';
import type { Outgoing } from '../../transport/transport.ts';
import {
  nextNumber,
  type Broker,
  type BrokerQueue,
  type Carried,
  type Channel,
  type Member,
} from './broker.ts';

export interface Sending {
  readonly kind: Carried['kind'];
  readonly message: Outgoing;
  readonly acceptedAt: number;
  readonly dueAt: number;
  readonly now: number;
  readonly story: Story | null;
}

export function send(broker: Broker, queue: BrokerQueue, sending: Sending): Carried {
  const { subscription } = queue;
  const number = nextNumber(broker);
  const carried: Carried = {
    kind: sending.kind,
    tag: number,
    message: sending.message,
    acceptedAt: sending.acceptedAt,
    queue,
    redelivered: false,
    state: 'ready',
    channel: null,
    story: sending.story,
    isBuried: false,
    at: sending.dueAt,
    order: number,
    position: -1,
    previous: null,
    next: null,
  };
  if (carried.kind === 'message') {
    subscription.carried.set(carried.tag, carried);
    const same = subscription.byId.get(carried.message.id);
    if (same === undefined) subscription.byId.set(carried.message.id, new Set([carried]));
    else same.add(carried);
  }
  if (sending.dueAt <= sending.now) makeReady(broker, carried);
  else {
    carried.state = 'delayed';
    subscription.delayedCount += 1;
    heapPush(broker.delayed, carried);
    alarm(broker);
  }
  return carried;
}

/** Pushes what became due. */
export function tick(broker: Broker, now: number): void {
  for (let next = broker.delayed.items[0]; next && next.at <= now; next = broker.delayed.items[0]) {
    heapRemove(broker.delayed, next);
    next.queue.subscription.delayedCount -= 1;
    makeReady(broker, next);
  }
  alarm(broker);
}

/** The message leaves its queue for good, and its note with it. */
export function ackCarried(broker: Broker, carried: Carried): void {
  const { subscription } = carried.queue;
  if (carried.state === 'gone') return;
  if (carried.state === 'pushed') unlink(carried.channel!.unacked, carried);
  else if (carried.state === 'ready') unlink(carried.queue.ready, carried);
  else {
    heapRemove(broker.delayed, carried);
    subscription.delayedCount -= 1;
  }
  carried.state = 'gone';
  carried.channel = null;
  subscription.carried.delete(carried.tag);
  if (carried.isBuried) subscription.buriedCount -= 1;
  if (carried.kind === 'reopen') return;
  const { id } = carried.message;
  const same = subscription.byId.get(id);
  same?.delete(carried);
  if (same?.size !== 0) return;
  subscription.byId.delete(id);
  subscription.notes.delete(id);
}

/** What was pushed and not acknowledged goes back to where it stood. */
export function closeChannel(broker: Broker, channel: Channel): void {
  const { queue, unacked, member } = channel;
  for (let last = unacked.tail; last !== null; last = unacked.tail) {
    unlink(unacked, last);
    last.redelivered = true;
    last.state = 'ready';
    last.channel = null;
    prepend(queue.ready, last);
  }
  queue.channels.delete(channel);
  member.channels.delete(channel);
  push(broker, queue);
}

export function openChannel(broker: Broker, queue: BrokerQueue, member: Member): Channel {
  const channel: Channel = { queue, member, unacked: createList(), room: 0 };
  queue.channels.add(channel);
  member.channels.add(channel);
  push(broker, queue);
  return channel;
}

/** Has the queue looked at in the next turn. */
export function push(broker: Broker, queue: BrokerQueue): void {
  broker.dirty.add(queue);
  if (broker.isPushing) return;
  broker.isPushing = true;
  setImmediate(() => {
    broker.isPushing = false;
    const queues = [...broker.dirty];
    broker.dirty.clear();
    for (const one of queues) pushQueue(one);
  });
}

function pushQueue(queue: BrokerQueue): void {
  const open = [...queue.channels].filter(({ room }) => room > 0);
  // Fair shares first; what is left over goes to whoever still has room.
  const share = Math.ceil(queue.ready.size / Math.max(1, open.length));
  for (const channel of open) pushTo(channel, share);
}

function pushTo(channel: Channel, most: number): void {
  const { queue } = channel;
  const batch: Carried[] = [];
  for (let next = queue.ready.head; next !== null; next = queue.ready.head) {
    if (batch.length >= most || channel.room === 0) break;
    unlink(queue.ready, next);
    append(channel.unacked, next);
    next.state = 'pushed';
    next.channel = channel;
    channel.room -= 1;
    batch.push(next);
  }
  if (batch.length > 0) channel.member.pushed(channel, batch);
}

function makeReady(broker: Broker, carried: Carried): void {
  carried.state = 'ready';
  append(carried.queue.ready, carried);
  push(broker, carried.queue);
}

function alarm(broker: Broker): void {
  const at = broker.delayed.items[0]?.at ?? Number.POSITIVE_INFINITY;
  for (const connection of broker.connections) connection.alarm(at);
}
