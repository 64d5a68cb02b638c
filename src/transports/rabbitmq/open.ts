/** Opens and closes a connection of the contract. */

import { isOverWithin } from '../../clock.ts';
import { MaloteError, type ErrorCode } from '../../errors.ts';
import { createPending } from '../../transport/step-by-step.ts';
import type { Host, Transport } from '../../transport/transport.ts';
import { createAcceptance } from './acceptance.ts';
import { emptyLedger } from './clerk.ts';
import { messageOf } from './failures.ts';
import { begin, endLife, giveUp } from './life.ts';
import { createLine, type Line, type LineOptions } from './line.ts';
import { takeOver } from './lock.ts';
import { namesOf, publishingLock, sessionQueue } from './names.ts';
import { drainsOf } from './partition.ts';
import { createPublisher, type Sending } from './publisher.ts';
import { queueOf } from './queue.ts';
import { lifeOf, membersOf, subscribing, type Session } from './session.ts';
import { longestUnackedMs, type Settings } from './settings.ts';
import { storeOf } from './store.ts';
import { declareNamespace, requireNamespace } from './topology.ts';
import { createSharedTokens } from './work.ts';

/** Over how many channels what callers publish is spread: see `publisher.ts`. */
const messageChannels = 8;
/** Per second between heartbeats: a server ends a connection of which two or three stay away. */
const missedMs = 3_500;

const notAlone = new MaloteError(
  'ENGINE_BUSY',
  'the server has not ended the connection before this one: what is published waits until it ' +
    'has, as something may be on its way by that',
);

export async function openTransport(settings: Settings, host: Host): Promise<Transport> {
  const session = createSession(settings, host);
  try {
    await session.publishing.open();
    await session.consuming.open();
  } catch (error) {
    abandon(session);
    throw error;
  }
  return {
    queue: queueOf(session),
    store: storeOf({
      by: () => subscribing(session),
      presence: () => lifeOf(session).presence,
      members: () => membersOf(session),
    }),
    join: null,
    effects: null,
    coordination: null,
    facts: null,
    close: () => close(session),
    abandon: () => abandon(session),
  };
}

function createSession(settings: Settings, host: Host): Session {
  const names = namesOf(settings.namespace);
  let numbers = 0;
  const over = {
    urls: settings.urls,
    waitMs: host.leaseMs,
    nowhere({ exchange, key }: Sending): void {
      // Sessions end. Anything else that is gone was deleted underfoot.
      if (exchange === '' && key.startsWith(sessionQueue(names, ''))) return;
      const what = exchange === '' ? key : exchange;
      if (session.life !== null) giveUp(session, session.life.wire, `"${what}" leads nowhere`);
    },
  };
  const publisher = createPublisher({ ...over, channels: 1 });
  // What callers publish may cost its channel: states of messages do not go along with it.
  const messages = createPublisher({ ...over, channels: messageChannels });
  const troubled = ({ code, message }: MaloteError): void =>
    host.notify({ kind: 'engine-trouble', code, message });
  const troubledBeside = createTroubles(troubled);
  const publishing: Line = createLine({
    settings,
    random: host.random,
    purpose: 'publish',
    troubled: troubledBeside(() => consuming),
    async opened(wire) {
      const alone = takeOver(wire.model, publishingLock(names, session.id));
      const isAlone = await isOverWithin(settings.heartbeatSeconds * missedMs, alone);
      if (host.create === 'never') await requireNamespace(wire.model, settings, names);
      await declareNamespace(wire.model, settings, names);
      if (isAlone) {
        await Promise.all([publisher.use(wire), messages.use(wire)]);
        return;
      }
      troubled(notAlone);
      alone
        .then(() => messages.use(wire))
        .catch((error: unknown) => wire.destroy(messageOf(error)));
      // Who consumes gets along with what comes late, and may be what a full server waits for.
      await publisher.use(wire);
    },
    lost(_, reason) {
      publisher.lost(reason);
      messages.lost(reason);
      // What was on its way is unknown now: states of messages, ledgers, tokens. Who is given the
      // messages next finds out.
      if (session.life !== null) giveUp(session, session.life.wire, 'publishing was cut off');
    },
  });
  const consuming: Line = createLine({
    settings,
    random: host.random,
    purpose: 'consume',
    troubled: troubledBeside(() => publishing),
    opened: (wire) => begin(session, wire),
    lost(wire) {
      if (session.life?.wire === wire) endLife(session);
    },
  });
  const session: Session = {
    settings,
    host,
    names,
    id: host.newId(),
    publisher,
    messages,
    acceptedAt: createAcceptance(host.clock.now()),
    publishing,
    consuming,
    wanted: new Map(),
    pending: createPending(),
    nextNumber: () => (numbers += 1),
    nextSharedToken: createSharedTokens(),
    life: null,
    outlet: null,
    later: null,
    lastKnown: [],
    longestUnackedMs,
    isOpen: true,
    lastSettling: Promise.resolve(),
  };
  return session;
}

/** A server that is lost ends both lines: that is told of once. */
function createTroubles(
  troubled: LineOptions['troubled'],
): (other: () => Line) => LineOptions['troubled'] {
  let told: ErrorCode | null = null;
  return (other) => (error) => {
    if (other().wire === null && told === error.code) return;
    told = error.code;
    troubled(error);
  };
}

async function close(session: Session): Promise<void> {
  if (!session.isOpen) return;
  // Not even a server that takes nothing keeps a process.
  session.publisher.hurry();
  session.messages.hurry();
  await session.lastSettling;
  if (!session.isOpen) return;
  session.isOpen = false;
  const work = session.life?.work ?? null;
  if (work !== null) {
    work.giveBack();
    // An empty ledger: what goes back now was left by somebody who lives.
    await work.clerk.write(emptyLedger).catch(() => undefined);
    await Promise.all([...work.memberships.values()].map((one) => one.closeIngress()));
    const holds = membersOf(session).flatMap((member) => [...member.holds]);
    await Promise.all(holds.map(drainsOf));
  }
  endLife(session);
  await session.consuming.close();
  endPublishing(session);
  await session.publishing.close();
}

function abandon(session: Session): void {
  session.isOpen = false;
  session.consuming.destroy();
  session.publishing.destroy();
  endLife(session);
  endPublishing(session);
}

function endPublishing({ publisher, messages }: Session): void {
  publisher.end();
  messages.end();
}
