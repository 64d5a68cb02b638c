/**
 * What one connection of the contract consists of: two connections to the server, one to publish,
 * which the server may block, and one to consume and acknowledge. What is read over the second
 * lives as long as it does; consumptions outlive it and begin anew.
 */

import type { Timer } from '../../clock.ts';
import { MaloteError } from '../../errors.ts';
import type { Pending } from '../../transport/step-by-step.ts';
import type { Host } from '../../transport/transport.ts';
import type { Acceptance } from './acceptance.ts';
import type { Consumer, Member } from './hold.ts';
import type { FactCount } from './fact-memory.ts';
import type { Line, Wire } from './line.ts';
import type { Names } from './names.ts';
import type { Presence } from './presence.ts';
import type { Outlet } from './publish.ts';
import type { Publisher } from './publisher.ts';
import type { Registered, Registry } from './registry.ts';
import { cutOff } from './failures.ts';

import type { Settings } from './settings.ts';
import type { Subscribing } from './subscribe.ts';
import type { Tail } from './tail.ts';
import type { Work } from './work.ts';

export interface Session {
  readonly settings: Settings;
  readonly host: Host;
  readonly names: Names;
  readonly id: string;
  /** Of the engine's own: states of messages, ledgers, facts. */
  readonly publisher: Publisher;
  /** Of what callers publish. */
  readonly messages: Publisher;
  readonly acceptedAt: Acceptance;
  readonly publishing: Line;
  readonly consuming: Line;
  /** What is consumed, by subscription. */
  readonly wanted: Map<string, Set<Consumer>>;
  readonly pending: Pending;
  readonly nextNumber: () => number;
  readonly nextSharedToken: () => number;
  life: Life | null;
  outlet: Outlet | null;
  later: Promise<void> | null;
  /** The subscriptions that there were when the last life ended. */
  lastKnown: readonly Registered[];
  /** For how long a message may stay unacknowledged; less where a server was found to be strict. */
  longestUnackedMs: number;
  isOpen: boolean;
  lastSettling: Promise<unknown>;
}

/** What there is between the opening of the consuming connection and its loss. */
export interface Life {
  readonly wire: Wire;
  readonly registry: Registry;
  readonly tail: Tail;
  readonly presence: Presence;
  readonly factCount: FactCount;
  work: Work | null;
  starting: Promise<Work> | null;
  /** Until what others died amid is finished here. */
  finishing: Timer | null;
}

export function membersOf({ life }: Session): Member[] {
  return [...(life?.work?.memberships.values() ?? [])].map(({ member }) => member);
}

export async function subscribing(session: Session): Promise<Subscribing> {
  if (!session.isOpen) throw closed();
  await session.consuming.ready(session.host.leaseMs);
  return subscribingBy(session, lifeOf(session));
}

export function subscribingBy(session: Session, life: Life): Subscribing {
  const { id, host, names, settings, publisher } = session;
  const { wire, registry, tail, presence } = life;
  const left = async (name: string): Promise<void> => life.work?.memberships.get(name)?.left();
  return { session: id, presence, wire, host, names, settings, registry, tail, publisher, left };
}

export function lifeOf(session: Session): Life {
  if (session.life !== null) return session.life;
  throw session.isOpen ? cutOff() : closed();
}

export function closed(): MaloteError {
  return new MaloteError('BUS_STOPPED', 'this connection to RabbitMQ is closed');
}
