/** The contract's queue on a session: publishing, consuming, settling, and facts. */

import { MaloteError } from '../../errors.ts';
import { forgetPending, isPlain } from '../../transport/step-by-step.ts';
import type {
  Consumption,
  Demand,
  FactChange,
  Queue,
  Settlement,
  SettleOutcome,
  Sink,
} from '../../transport/transport.ts';
import { checkRoomFor } from './fact-memory.ts';
import { named } from './failures.ts';
import { channelsOf } from './greeting.ts';
import type { Consumer } from './hold.ts';
import { giveUp, startAll } from './life.ts';
import { publish, publishAll } from './publish.ts';
import { closed, subscribing, type Life, type Session } from './session.ts';
import { prepare, settlePlain, settlePrepared, type MemberOf } from './settle.ts';
import { subscribe, unsubscribe } from './subscribe.ts';
import { entrySending } from './tail.ts';
import type { Work } from './work.ts';

export function queueOf(session: Session): Queue {
  const { host } = session;
  return {
    subscribe: (specifications) =>
      named('subscribing', async () => subscribe(await subscribing(session), specifications)),
    unsubscribe: (name) => named('unsubscribing', () => unsubscribing(session, name)),
    publish(batch) {
      if (!session.isOpen) return Promise.reject(closed());
      return publish(session.outlet!, batch, { now: host.clock.now(), isRelayed: false });
    },
    forward(batch) {
      if (!session.isOpen) return Promise.reject(closed());
      return publish(session.outlet!, batch, { now: host.clock.now(), isRelayed: true });
    },
    consume: (subscription, demand, sink) => consume(session, { subscription, demand, sink }),
    settle: (batch) => settle(session, batch),
    async mark(changes) {
      if (!session.isOpen) throw closed();
      if (changes.length === 0) return;
      if (host.facts !== null) return await (await host.facts()).mark(changes);
      const facts = session.life?.work?.facts;
      // A process that consumes has read its own facts when the call resolves.
      if (facts !== undefined) await facts.mark(changes);
      else await markUnread(session, changes);
    },
  };
}

/**
 * The server may fail with what it deletes, and end the connection: the next one finishes what was
 * begun, and is asked once more.
 */
async function unsubscribing(session: Session, name: string): Promise<boolean> {
  const by = await subscribing(session);
  let first: string | null = null;
  try {
    await by.tail.sync();
    const { byName, leaving } = by.registry;
    first = (byName.get(name) ?? leaving.get(name))?.generation ?? null;
    return await unsubscribe(by, name);
  } catch (error) {
    if (by.wire.isOpen) throw error;
    return await unsubscribe(await subscribing(session), name, first);
  }
}

/** Opens facts that this process does not read: those that do say how many there are. */
async function markUnread(session: Session, changes: readonly FactChange[]): Promise<void> {
  const { host, names, publisher, life, settings } = session;
  const opening = changes.filter(({ state }) => state === 'fulfilled').length;
  if (opening > 0 && life !== null) {
    checkRoomFor(opening, { size: await life.factCount.now(), most: settings.limits.facts });
    life.factCount.add(opening);
  }
  const [content, messageId] = [JSON.stringify(changes), host.newId()];
  await publisher.send(entrySending(names.facts, content, { messageId, now: host.clock.now() }));
}

interface Consuming {
  readonly subscription: string;
  readonly demand: Demand;
  readonly sink: Sink;
}

function consume(session: Session, { subscription, demand, sink }: Consuming): Consumption {
  if (!session.isOpen) throw closed();
  const { life } = session;
  if (life !== null && !life.registry.byName.has(subscription)) {
    const sentence = `there is no subscription "${subscription}" to consume; subscribe it first`;
    throw new MaloteError('NOT_FOUND', sentence);
  }
  const consumer: MutableConsumer = {
    get holder() {
      return session.life?.work?.context.holder as Consumer['holder'];
    },
    slots: demand.slots,
    hasOneAttempt: demand.hasOneAttempt === true,
    credit: 0,
    suspects: 0,
    sink,
    stopped: false,
  };
  if (life !== null) checkChannels(session, life, subscription);
  const consumers = session.wanted.get(subscription) ?? new Set();
  session.wanted.set(subscription, consumers.add(consumer));
  const membership = (): ReturnType<Work['join']> | undefined =>
    session.life?.work?.memberships.get(subscription);
  if (life !== null) {
    startAll(session).then(
      () => consumer.stopped || membership()?.comeBack(),
      (error: unknown) => giveUp(session, life.wire, String(error)),
    );
  }
  const look = (): void => session.life?.work?.context.look();
  return {
    grant(messages) {
      if (consumer.stopped || !session.isOpen) return;
      consumer.credit += messages;
      look();
    },
    stop() {
      // By then others may consume what it has left.
      if (consumer.stopped) return;
      consumer.stopped = true;
      consumer.credit = 0;
      if (session.isOpen && [...consumers].every(({ stopped }) => stopped)) membership()?.leave();
      look();
    },
  };
}

type MutableConsumer = { -readonly [Name in keyof Consumer]: Consumer[Name] };

/** Of a connection itself, and for what is looked at now and then. */
const sparedChannels = 16;

/** Two for each partition, and two for a subscription: without them it would never be read. */
function checkChannels(session: Session, life: Life, subscription: string): void {
  const names = new Set([...session.wanted.keys(), subscription]);
  const partitions = [...names].map((name) => life.registry.byName.get(name)?.partitions ?? 0);
  const needed = partitions.reduce((sum, one) => sum + 2 * one + 2, sparedChannels);
  const most = channelsOf(life.wire.model);
  if (needed <= most) return;
  throw new MaloteError(
    'OPTION_INVALID',
    `consuming "${subscription}" needs ${needed} channels, and the server allows ${most} for a ` +
      `connection: the subscriptions of this process have ${partitions.join(', ')} partitions; ` +
      'raise channel_max, consume fewer of them here, or begin a namespace with fewer partitions',
  );
}

async function settle(
  session: Session,
  batch: readonly Settlement[],
): Promise<readonly SettleOutcome[]> {
  if (!session.isOpen) throw closed();
  const work = session.life?.work ?? null;
  if (work === null) return batch.map(() => 'lease-lost');
  const { context, facts } = work;
  const memberOf: MemberOf = (name) => work.memberships.get(name)?.member;
  if (session.pending.deliveries.size === 0 && isPlain(batch)) {
    const outcomes = settlePlain(batch, memberOf);
    context.look();
    await context.wire.flushed();
    return outcomes;
  }
  const settling = batch.map(({ delivery }) => memberOf(delivery.subscription));
  for (const member of settling) if (member !== undefined) member.settlingCount += 1;
  const prepared = prepare(batch, {
    memberOf,
    pending: session.pending,
    learnFacts: (needs) => facts.learn(needs),
    effects(publishes, opens) {
      const outlet = session.outlet!;
      const isFull = outlet.depths.firstFull(publishes) !== null;
      if (isFull) return { isFull, stored: Promise.resolve() };
      const changes = opens.map((fact) => ({ fact, state: 'fulfilled' }) as const);
      try {
        facts.checkRoom(changes);
      } catch (error) {
        return { isFull, stored: Promise.reject(error) };
      }
      const stored = Promise.all([
        publishAll(outlet, publishes, session.host.clock.now()),
        changes.length > 0 ? facts.mark(changes) : undefined,
      ]);
      return { isFull, stored: stored.then(() => undefined) };
    },
  });
  const settled = session.lastSettling
    .then(() => prepared.stored)
    .then(() => settlePrepared(context, prepared, memberOf));
  const finished = (): void => {
    for (const member of settling) if (member !== undefined) member.settlingCount -= 1;
    forgetPending(session.pending, batch);
    context.look();
  };
  session.lastSettling = settled.then(finished, finished);
  const { outcomes, stored } = await settled;
  await stored;
  await context.wire.flushed();
  return outcomes;
}
