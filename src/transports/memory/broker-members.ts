/**
 * Who owns which partition of a subscription.
 *
 * Partitions are spread evenly over the members. A member that has too many is asked to let one go;
 * it does so when nothing of it is at work, and only then the next one gets it. A member that dies
 * lets all go at once.
 */

import {
  partitionsOf,
  sharedQueue,
  type Broker,
  type BrokerQueue,
  type BrokerSubscription,
  type Channel,
  type Member,
} from './broker.ts';
import { closeChannel, openChannel, push } from './broker-queues.ts';

export function join(broker: Broker, member: Member): void {
  const { subscription } = member;
  subscription.members.add(member);
  const channel = openChannel(broker, sharedQueue(subscription), member);
  member.assigned(channel);
  rebalance(broker, subscription);
}

/** The member wants no more: its partitions go to whoever else is there, or comes later. */
export function leave(broker: Broker, member: Member): void {
  member.isLeaving = true;
  rebalance(broker, member.subscription);
}

export function comeBack(broker: Broker, member: Member): void {
  member.isLeaving = false;
  rebalance(broker, member.subscription);
}

/** The owner let go of a partition in which nothing is at work. */
export function letGo(broker: Broker, channel: Channel): void {
  const { queue } = channel;
  closeChannel(broker, channel);
  queue.isMoving = false;
  rebalance(broker, queue.subscription);
}

/** The member is gone, whatever it held. */
export function remove(broker: Broker, member: Member): void {
  const { subscription } = member;
  subscription.members.delete(member);
  for (const channel of member.channels) {
    channel.queue.isMoving = false;
    closeChannel(broker, channel);
  }
  rebalance(broker, subscription);
}

function rebalance(broker: Broker, subscription: BrokerSubscription): void {
  const members = [...subscription.members].filter(({ isLeaving }) => !isLeaving);
  if (members.length === 0) return;
  const partitions = partitionsOf(subscription);
  const owned = new Map(members.map((member) => [member, 0]));
  for (const { channels, isMoving } of partitions) {
    for (const { member } of channels) {
      if (!isMoving && owned.has(member)) owned.set(member, owned.get(member)! + 1);
    }
  }
  for (const queue of partitions) {
    if (queue.channels.size === 0) assign(broker, queue, owned);
  }
  const cap = Math.ceil(partitions.length / members.length);
  for (const queue of partitions) {
    const [channel] = queue.channels;
    if (channel === undefined || queue.isMoving) continue;
    const count = owned.get(channel.member) ?? Number.POSITIVE_INFINITY;
    if (count <= cap) continue;
    owned.set(channel.member, count - 1);
    queue.isMoving = true;
    channel.member.revoked(channel);
  }
}

function assign(broker: Broker, queue: BrokerQueue, owned: Map<Member, number>): void {
  let least: Member | undefined;
  for (const [member, count] of owned) {
    if (least === undefined || count < owned.get(least)!) least = member;
  }
  if (least === undefined) return;
  owned.set(least, owned.get(least)! + 1);
  const channel = openChannel(broker, queue, least);
  least.assigned(channel);
  push(broker, queue);
}
