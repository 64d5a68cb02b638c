/** The life of the consuming connection: what is set up when it opens, and ends when it is lost. */

import { systemClock } from '../../clock.ts';
import { closeChannel } from './driver.ts';
import { createFactCount } from './fact-memory.ts';
import type { Wire } from './line.ts';
import { startPresence } from './presence.ts';
import { createDepths, type Sight } from './publish.ts';
import { createRegistry, type Registered } from './registry.ts';
import { lifeOf, membersOf, subscribingBy, type Life, type Session } from './session.ts';
import { consumerTimeoutIn, cutOff } from './failures.ts';
import { largestWindow } from './shared-window.ts';
import { answer, askHeld, heldOf, type Question } from './store.ts';
import { finishLeaving, restore, rewrite } from './subscribe.ts';
import { startTail } from './tail.ts';
import { declareLater, declareNamespace } from './topology.ts';
import { startWork, type Work } from './work.ts';

const mostDoublings = 4;
const atFirst = { work: null, starting: null, finishing: null } as const;

export async function begin(session: Session, wire: Wire): Promise<void> {
  const { names, settings, host, publisher, messages, acceptedAt, id } = session;
  const broken = (reason: string): void => giveUp(session, wire, reason);
  await declareNamespace(wire.model, settings, names);
  const registry = createRegistry({
    names,
    partitions: settings.partitions,
    changed: (now) => subscriptionChanged(session, now),
  });
  const { model } = wire;
  const stream = names.registry;
  const read = registry.read;
  const now = (): number => host.clock.now();
  const longestUnacked = (): number => session.longestUnackedMs;
  const { newId } = host;
  const { silentMs } = settings.limits;
  const reading = { model, publisher, stream, newId, read, broken, now, longestUnacked, silentMs };
  const tail = await startTail(reading);
  const presence = await startPresence({
    model,
    publisher,
    names,
    session: id,
    newId: host.newId,
    broken,
    answer: (question) => answerOf(session, question as Question),
    told: (message) => session.life?.work?.clerk.answered(message),
    changed: (name) => session.life?.work?.memberships.get(name)?.rebalance(),
    expected: () => expectedPeers(session, wire),
  });
  // The line has gone on without it.
  if (!wire.isOpen) throw cutOff();
  const factCount = createFactCount(async () => {
    const counts = await presence.ask({ kind: 'facts' } satisfies Question);
    return Math.max(0, ...(counts as number[]));
  }, systemClock.monotonic);
  const life: Life = { wire, registry, tail, presence, factCount, ...atFirst };
  session.life = life;
  await rewrite(subscribingBy(session, life), session.lastKnown);
  armFinishing(session, life);
  if (session.life !== life) throw cutOff();
  session.outlet = {
    names,
    limits: settings.limits,
    registry,
    publisher: messages,
    acceptedAt,
    later: () => laterOf(session, wire),
    depths: createDepths(registry, () => sightOf(session)),
  };
  if (session.wanted.size > 0) await startAll(session);
}

function answerOf(session: Session, question: Question): unknown {
  if (question.kind === 'facts') return session.life?.work?.facts.size;
  return answer(membersOf(session), question);
}

function laterOf(session: Session, { model }: Wire): Promise<void> {
  session.later ??= declareLater(model, session.settings, session.names).catch((error: unknown) => {
    session.later = null;
    throw error;
  });
  return session.later;
}

function sightOf(session: Session): Sight | null {
  const { life } = session;
  if (life === null) return null;
  const { wire, presence } = life;
  const { side, window } = session.settings.limits;
  return {
    wire,
    mostHeld({ name, partitions }) {
      const sessions = 1 + presence.peersOf(name).length;
      return partitions * (side + window) + sessions * largestWindow;
    },
    held: async ({ name }) => heldOf(name, await askHeld(membersOf(session), presence)),
    restore: (registered) => restore(subscribingBy(session, life), registered),
  };
}

/** Sessions that consume have a consumer of the ledgers; this one is not to be counted. */
async function expectedPeers(session: Session, wire: Wire): Promise<number> {
  const channel = await wire.model.createChannel();
  try {
    const { consumerCount } = await channel.checkQueue(session.names.ledgers);
    return consumerCount - (session.life?.work === null ? 0 : 1);
  } finally {
    await closeChannel(channel);
  }
}

export function giveUp(session: Session, wire: Wire, reason: string): void {
  if (!session.isOpen || !wire.isOpen) return;
  const strictMs = consumerTimeoutIn(reason);
  if (strictMs !== null) {
    session.longestUnackedMs = Math.min(session.longestUnackedMs, strictMs / 2);
  }
  wire.destroy(reason);
}

export function endLife(session: Session): void {
  const { life } = session;
  // While it ends, consumers still belong to the holder of this life.
  life?.work?.end();
  session.life = null;
  session.later = null;
  if (life === null) return;
  const { byName, knows } = life.registry;
  // A life that ends while it writes the registry anew has not heard of what it did not write.
  const unsaid = session.lastKnown.filter(({ name }) => !knows(name));
  session.lastKnown = [...byName.values(), ...unsaid];
  life.finishing?.cancel();
  life.tail.end(cutOff());
}

/** Consumers outlive their subscription: they go on with the next one of its name. */
function subscriptionChanged(session: Session, now: Registered): void {
  const { life } = session;
  const { name, generation, state } = now;
  const isThere = state === 'subscribed';
  const membership = life?.work?.memberships.get(name);
  if (membership !== undefined && !membership.member.isForgotten) {
    const isSame = isThere && generation === membership.member.registered.generation;
    membership.changed(isSame ? now : null);
    if (isSame) return;
  }
  if (life === null) return;
  if (!isThere) armFinishing(session, life);
  else if (session.wanted.has(name)) {
    startAll(session).catch((error: unknown) => giveUp(session, life.wire, String(error)));
  }
}

/**
 * An unsubscribe that is not over a lease after its beginning was heard of is finished here: its
 * process has died, or another one that finishes it will have done so by then.
 */
function armFinishing(session: Session, life: Life, failures = 0): void {
  if (life.finishing !== null || life.registry.leaving.size === 0) return;
  const { clock, leaseMs, random } = session.host;
  const finish = async (): Promise<void> => {
    if (session.life === life) await finishLeaving(subscribingBy(session, life));
    life.finishing = null;
    // What cannot be deleted is tried less and less often.
    if (session.life === life) armFinishing(session, life, Math.min(failures + 1, mostDoublings));
  };
  const afterMs = leaseMs * 2 ** failures * (1 + random() / 2);
  life.finishing = clock.setTimer(() => void finish(), afterMs).unref();
}

export async function startAll(session: Session): Promise<void> {
  const life = lifeOf(session);
  const work = await workOf(session, life);
  forgetStopped(session);
  for (const name of session.wanted.keys()) {
    const registered = life.registry.byName.get(name);
    const isJoined = work.memberships.get(name)?.member.isForgotten === false;
    if (registered !== undefined && !isJoined && session.life === life) {
      await restore(subscribingBy(session, life), registered);
    }
  }
  if (session.life !== life) return;
  forgetStopped(session);
  for (const [name, consumers] of session.wanted) {
    const registered = life.registry.byName.get(name);
    const membership = work.memberships.get(name);
    if (registered === undefined) continue;
    if (membership === undefined || membership.member.isForgotten) {
      for (const consumer of consumers) consumer.suspects = 0;
      work.join(registered, consumers);
    } else for (const consumer of consumers) membership.member.consumers.add(consumer);
  }
  work.context.look();
}

/** Who wants no messages has no part in a subscription: it would hold what others could do. */
function forgetStopped({ wanted }: Session): void {
  for (const [name, consumers] of wanted) {
    for (const consumer of consumers) if (consumer.stopped) consumers.delete(consumer);
    if (consumers.size === 0) wanted.delete(name);
  }
}

function workOf(session: Session, life: Life): Promise<Work> {
  const { host, settings, names, id, publisher, messages } = session;
  const { nextNumber, nextSharedToken } = session;
  const { wire, presence } = life;
  life.starting ??= startWork({
    host,
    settings,
    names,
    session: id,
    wire,
    publisher,
    messages,
    presence,
    later: () => laterOf(session, wire),
    nextNumber,
    nextSharedToken,
    longestUnacked: () => session.longestUnackedMs,
    broken: (reason) => giveUp(session, wire, reason),
  }).then((work) => {
    life.work = work;
    if (session.life !== life || !session.isOpen) work.end();
    return work;
  });
  return life.starting;
}
