/**
 * What topics without a subscription kept moves to those who ask for it: what malote published, and
 * behind it what came from programs without malote, whose keys and facts are computed on the way.
 */

import type { ConsumeMessage } from 'amqplib';
import { ownFailureOf } from '../../message/failure.ts';
import { MaloteError } from '../../errors.ts';
import type { EngineEvent, Failure, Host, Outgoing } from '../../transport/transport.ts';
import { closeChannel } from './driver.ts';
import {
  ackPlace,
  createAckBook,
  drained,
  endBook,
  placeOf,
  type AckBook,
  type Place,
} from './ack-book.ts';
import { foreignOf, unreadableOf } from './foreign.ts';
import type { Wire } from './line.ts';
import { placeIndexOf, type Names } from './names.ts';
import type { Publisher, Sending } from './publisher.ts';
import type { Registered } from './registry.ts';
import { wholeQueue, type Settings } from './settings.ts';
import { withChannel } from './topology.ts';
import { arrivedOf, recordOf, sendingOf, type CopyNote } from './wire-format.ts';

export interface Adopter {
  readonly session: string;
  readonly wire: Wire;
  readonly host: Host;
  readonly names: Names;
  readonly publisher: Publisher;
  readonly settings: Pick<Settings, 'limits'>;
}

export interface Adopting {
  readonly registered: Registered;
  /** Nobody consumes it yet. */
  readonly isNew: boolean;
}

/** How far it has come, over both queues. */
interface Progress {
  readonly adopting: readonly Adopting[];
  readonly counts: Map<string, number>;
  /** What stands in side queues and keeps its order: its owner must be able to hold all of it. */
  readonly ordered: Map<string, number>;
  order: number;
}

export async function adopt(by: Adopter, adopting: readonly Adopting[]): Promise<void> {
  const ordered = await standing(by, adopting);
  const progress: Progress = { adopting, counts: new Map(), ordered, order: 0 };
  await adoptFrom(by, by.names.kept, progress);
  await adoptFrom(by, by.names.ingressKept, progress);
  for (const [subscription, messages] of progress.counts) {
    by.host.notify({ kind: 'adopted', subscription, messages } satisfies EngineEvent);
  }
}

/** What an adoption that was refused has left there. */
async function standing(
  { wire }: Adopter,
  adopting: readonly Adopting[],
): Promise<Map<string, number>> {
  const queues = adopting.flatMap(({ registered, isNew }) => (isNew ? registered.queues.side : []));
  return await withChannel(wire.model, async (channel) => {
    const found = new Map<string, number>();
    for (const queue of queues) found.set(queue, (await channel.checkQueue(queue)).messageCount);
    return found;
  });
}

/** @throws MaloteError `QUEUE_FULL` */
function checkRoom({ settings }: Adopter, { ordered }: Progress): void {
  const { held: most } = settings.limits;
  const full = [...ordered].find(([, count]) => count > most);
  if (full === undefined) return;
  throw new MaloteError(
    'QUEUE_FULL',
    `more messages are kept than "${full[0]}" may hold back, ${most} of one partition: subscribe ` +
      "without an order and handle what was kept, or begin with what is new, from: 'now'",
  );
}

async function adoptFrom(by: Adopter, queue: string, progress: Progress): Promise<void> {
  for (let isAll = false; !isAll; ) {
    const channel = await by.wire.model.createChannel();
    try {
      const book = createAckBook(channel, queue);
      const kept = await everythingKept(by, book);
      const sendings: Sending[] = [];
      const taken: Place[] = [];
      for (const { delivery, place } of kept) {
        const moved = await copiesOf(by, delivery, progress);
        sendings.push(...moved);
        if (moved.length > 0) taken.push(place);
      }
      checkRoom(by, progress);
      await by.publisher.send(...sendings);
      for (const place of taken) ackPlace(place);
      endBook(book);
      await drained(book);
      isAll = kept.length < wholeQueue || taken.length === 0;
    } finally {
      await closeChannel(channel);
    }
  }
}

interface Standing {
  readonly delivery: ConsumeMessage;
  readonly place: Place;
}

/** What is kept until now: consumed up to a marker, and not acknowledged. */
async function everythingKept(
  { host, publisher }: Adopter,
  book: AckBook,
): Promise<readonly Standing[]> {
  const { channel, queue } = book;
  const marker = host.newId();
  const kept: Standing[] = [];
  await channel.prefetch(wholeQueue);
  const seen = new Promise<void>((resolve, reject) => {
    channel.on('error', reject);
    channel.on('close', () => reject(new Error('the channel was closed')));
    void channel
      .consume(queue, (delivery) => {
        if (delivery === null) return;
        const place = placeOf(book, delivery);
        // Under the lock, a marker of somebody else is one that was left behind.
        if (delivery.fields.exchange === '') ackPlace(place);
        else kept.push({ delivery, place });
        if (delivery.properties.messageId === marker || kept.length === wholeQueue) resolve();
      })
      .catch(reject);
  });
  seen.catch(() => undefined);
  await publisher.send(recordOf(queue, { kind: 'mark', by: marker }, marker));
  await seen;
  // What comes behind the marker stays.
  return [...kept];
}

/** What one kept message becomes: nothing where nobody asks for it, or it cannot be read here. */
async function copiesOf(
  by: Adopter,
  delivery: ConsumeMessage,
  progress: Progress,
): Promise<Sending[]> {
  const { adopting, counts } = progress;
  const now = by.host.clock.now();
  const kept = await keptOf(by, delivery, now);
  if (kept === null) return [];
  const { failure, ...arrived } = kept;
  const { topic } = arrived.message;
  const order = (progress.order += 1);
  return adopting.flatMap(({ registered, isNew }) => {
    const { name, spec } = registered;
    if (!spec.topics.includes(topic)) return [];
    counts.set(name, (counts.get(name) ?? 0) + 1);
    const stamp = `${order}-${by.session}`;
    const dead = (why: Failure): Sending =>
      unreadableOf(registered, { message: arrived.message, now, failure: why, stamp });
    if (failure !== null) return [dead(failure)];
    try {
      const copying = { ...arrived, now, order: isNew ? order : null };
      countOrdered(progress, registered, copying);
      return [copyOf(registered, copying)];
    } catch (error) {
      // Other drivers write longer headers than ours does.
      return [dead(ownFailureOf(error))];
    }
  });
}

interface Kept {
  readonly message: Outgoing;
  readonly acceptedAt: number;
  readonly dueAt: number;
  readonly failure: Failure | null;
}

async function keptOf(
  { host, names }: Adopter,
  delivery: ConsumeMessage,
  now: number,
): Promise<Kept | null> {
  if (delivery.fields.exchange !== names.ingress) {
    const { message, acceptedAt, dueAt, note } = arrivedOf(delivery, now);
    return note === null ? { message, acceptedAt, dueAt, failure: null } : null;
  }
  const sealed = await host.seal(foreignOf(delivery, now));
  const { message } = sealed;
  if (sealed.kind === 'unknown') return null;
  const failure = sealed.kind === 'invalid' ? sealed.failure : null;
  return { message, acceptedAt: now, dueAt: now + message.delayMs, failure };
}

interface Copying extends Omit<Kept, 'failure'> {
  readonly now: number;
  /** Its place before all that is new; null where the subscription is at work already. */
  readonly order: number | null;
}

function countOrdered(
  { ordered }: Progress,
  { spec, partitions, queues }: Registered,
  { message, dueAt, now, order }: Copying,
): void {
  if (order === null || spec.order !== 'key' || message.key === null || dueAt > now) return;
  const queue = queues.side[placeIndexOf(message, partitions)]!;
  ordered.set(queue, (ordered.get(queue) ?? 0) + 1);
}

function copyOf(
  { spec, partitions, queues }: Registered,
  { message, acceptedAt, dueAt, now, order }: Copying,
): Sending {
  const isKeyed = spec.order === 'key' && message.key !== null;
  const place = placeIndexOf(message, partitions);
  const side = queues.side[place]!;
  if (dueAt > now) return sendingOf({ exchange: '', key: side, message, acceptedAt });
  if (isKeyed && order !== null) {
    return sendingOf({ exchange: '', key: side, message, acceptedAt, note: adopted(order) });
  }
  const key = isKeyed ? queues.main[place]! : queues.shared;
  return sendingOf({ exchange: '', key, message, acceptedAt });
}

/** Of a message that nobody has had yet. */
export function adopted(order: number): CopyNote {
  return {
    kind: 'copy',
    version: 0,
    isKeyed: true,
    epoch: null,
    order,
    attempt: 1,
    isAtWork: false,
    heldUntil: 0,
    story: null,
    needs: [],
    heard: [],
    returned: null,
  };
}
