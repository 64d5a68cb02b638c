/**
 * Who consumes which subscription in one connection: its consumers come and go, and stay when the
 * subscription is forgotten, for the next one of its name.
 */

import { MaloteError } from '../../errors.ts';
import type { Consumption, Demand, Sink } from '../../transport/transport.ts';
import type { BrokerSubscription } from './broker.ts';
import { comeBack, join, leave } from './broker-members.ts';
import type { PartitionConsumer, PartitionContext, PartitionMember } from './partition-member.ts';
import { createMember } from './partition-port.ts';

export interface Members {
  readonly context: PartitionContext;
  readonly members: Map<string, PartitionMember>;
}

export interface Consuming {
  readonly subscription: string;
  readonly demand: Demand;
  readonly sink: Sink;
}

export function consume(all: Members, { subscription, demand, sink }: Consuming): Consumption {
  const { context, members } = all;
  const { broker, holder } = context;
  const to = broker.catalog.byName.get(subscription);
  if (to === undefined) {
    const sentence = `there is no subscription "${subscription}" to consume; subscribe it first`;
    throw new MaloteError('NOT_FOUND', sentence);
  }
  const consumer: PartitionConsumer = {
    holder,
    slots: demand.slots,
    credit: 0,
    suspects: 0,
    sink,
    stopped: false,
  };
  const first = memberFor(all, to);
  first.consumers.add(consumer);
  if (first.isLeaving) comeBack(broker, first);
  context.look();
  return {
    grant(messages) {
      if (consumer.stopped || !context.isOpen()) return;
      consumer.credit += messages;
      context.look();
    },
    stop() {
      consumer.stopped = true;
      consumer.credit = 0;
      const member = members.get(subscription)!;
      if (context.isOpen() && [...member.consumers].every(({ stopped }) => stopped)) {
        leave(broker, member);
      }
      context.look();
    },
  };
}

/** Consumers of a subscription that was forgotten go on with the next one of its name. */
export function bindAgain(all: Members, to: BrokerSubscription): void {
  const known = all.members.get(to.spec.name);
  const consumers = [...(known?.consumers ?? [])].filter(({ stopped }) => !stopped);
  if (consumers.length === 0) return;
  const member = memberFor(all, to);
  for (const consumer of consumers) member.consumers.add(consumer);
  all.context.look();
}

function memberFor({ context, members }: Members, to: BrokerSubscription): PartitionMember {
  const { name } = to.spec;
  const known = members.get(name);
  if (known !== undefined && known.subscription === to) return known;
  const member = createMember(context, to);
  members.set(name, member);
  join(context.broker, member);
  return member;
}
