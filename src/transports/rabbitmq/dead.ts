/**
 * Dead letters: one queue per subscription, in the order of their deaths.
 *
 * They are looked at by consuming up to a marker and closing the channel, which puts back what was
 * not taken, in order. One looks at a time; the others wait for their turn on the server.
 */

import type { Channel, ConsumeMessage } from 'amqplib';
import { optionInvalid } from '../../errors.ts';
import type { DeadLetter, DeadQuery, Page, RedriveQuery } from '../../transport/store.ts';
import type { DeadReason, Outgoing } from '../../transport/transport.ts';
import type { Context, Member } from './hold.ts';
import { partitionOf } from './names.ts';
import type { Registered } from './registry.ts';
import type { Sending } from './publisher.ts';
import { wholeQueue } from './settings.ts';
import {
  arrivedOf,
  identityOf,
  recordOf,
  sendingOf,
  type Arrived,
  type CopyNote,
  type DeadNote,
} from './wire-format.ts';

export interface Letter {
  readonly message: Outgoing;
  readonly acceptedAt: number;
  readonly note: DeadNote;
  readonly delivery: ConsumeMessage;
}

export function burialOf(
  { queues }: Registered,
  message: Outgoing,
  { acceptedAt, note }: { readonly acceptedAt: number; readonly note: DeadNote },
): Sending {
  return sendingOf({ exchange: '', key: queues.dead, message, acceptedAt, note });
}

type Looker = Pick<Context, 'wire' | 'publisher' | 'host'>;

/** Shows all dead letters of a subscription, the oldest first; what `work` acks is gone. */
export async function lookAtDead<Answer>(
  { wire, publisher, host }: Looker,
  { queues }: Registered,
  work: (letters: readonly Letter[], channel: Channel) => Promise<Answer> | Answer,
): Promise<Answer> {
  const channel = await wire.model.createChannel();
  const marker = host.newId();
  let isOver = false;
  try {
    await channel.prefetch(wholeQueue);
    const letters = new Map<string, Letter>();
    const seen = new Promise<void>((resolve, reject) => {
      channel.on('error', reject);
      channel.on('close', () => reject(new Error('the channel was closed')));
      let count = 0;
      void channel
        .consume(queues.dead, (delivery) => {
          if (isOver) return;
          if (delivery === null) {
            reject(new Error(`"${queues.dead}" was deleted`));
            return;
          }
          count += 1;
          const isOwn = delivery.properties.messageId === marker;
          if (isOwn) channel.ack(delivery);
          else if (!isMarker(delivery))
            keepNewest(letters, channel, letterOf(delivery, arrivedOf(delivery, 0)));
          if (isOwn || count === wholeQueue) resolve();
        })
        .catch(reject);
    });
    seen.catch(() => undefined);
    await publisher.send(markerOf(queues.dead, marker));
    await seen;
    isOver = true;
    const inOrder = [...letters.values()].toSorted((a, b) => compare(a.note.stamp, b.note.stamp));
    return await work(inOrder, channel);
  } finally {
    isOver = true;
    await channel.close().catch(() => undefined);
  }
}

/** Whoever dies before it finds its marker leaves it behind for a minute. */
function markerOf(queue: string, marker: string): Sending {
  const sending = recordOf(queue, { kind: 'mark', by: marker }, marker);
  return { ...sending, properties: { ...sending.properties, expiration: 60_000 } };
}

function isMarker({ properties: { type } }: ConsumeMessage): boolean {
  return type === undefined;
}

function letterOf(delivery: ConsumeMessage, { message, acceptedAt, note }: Arrived): Letter {
  const dead: DeadNote =
    note?.kind === 'dead'
      ? note
      : {
          kind: 'dead',
          stamp: '',
          key: message.key,
          reason: 'by-hand',
          attempts: 0,
          diedAt: acceptedAt,
          story: null,
          isShutting: false,
        };
  return { message, acceptedAt, note: dead, delivery };
}

/** A crash between two steps may have stored a death twice: the last one counts. */
function keepNewest(letters: Map<string, Letter>, channel: Channel, letter: Letter): void {
  const identity = identityOf(letter.message);
  const before = letters.get(identity);
  if (before !== undefined) channel.ack(before.delivery);
  letters.set(identity, letter);
}

export async function isStillDead(
  { context, registered }: Member,
  message: Outgoing,
): Promise<boolean> {
  const identity = identityOf(message);
  return await lookAtDead(context, registered, (letters) =>
    letters.some((letter) => identityOf(letter.message) === identity),
  );
}

const longestPage = 500;

export async function pageOfDead(
  looker: Looker,
  all: readonly Registered[],
  query: DeadQuery,
): Promise<Page<DeadLetter>> {
  const limit = checkLimit(query.limit);
  const found: { readonly stamp: string; readonly letter: DeadLetter }[] = [];
  for (const registered of all) {
    if (query.subscription !== null && query.subscription !== registered.name) continue;
    await lookAtDead(looker, registered, (letters) => {
      for (const one of letters) {
        const { message, note } = one;
        if (query.id !== null && query.id !== message.id) continue;
        if (query.cursor !== null && compare(note.stamp, query.cursor) <= 0) continue;
        found.push({ stamp: note.stamp, letter: shown(registered.name, one) });
      }
    });
  }
  found.sort((a, b) => compare(a.stamp, b.stamp));
  const items = found.slice(0, limit);
  const next = found.length > limit ? (items.at(-1)?.stamp ?? null) : null;
  return { items: items.map(({ letter }) => letter), next };
}

export function checkLimit(limit: number): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= longestPage) return limit;
  throw optionInvalid('limit', `an integer from 1 to ${longestPage}`, limit);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function shown(subscription: string, { message, acceptedAt, note }: Letter): DeadLetter {
  return {
    id: message.id,
    topic: message.topic,
    subscription,
    key: note.key,
    reason: note.reason as DeadReason,
    attempts: note.attempts,
    acceptedAt,
    diedAt: note.diedAt,
    firstFailure: note.story?.firstFailure ?? null,
    lastFailure: note.story?.lastFailure ?? null,
    body: message.body,
    headers: message.headers,
  };
}

/** Sends dead letters back to the partitions they belong to. Answers how many. */
export async function redrive(
  looker: Looker,
  all: readonly Registered[],
  query: RedriveQuery,
): Promise<number> {
  let count = 0;
  for (const registered of all) {
    if (query.subscription !== null && query.subscription !== registered.name) continue;
    count += await lookAtDead(looker, registered, async (letters, channel) => {
      const chosen = choose(letters, query);
      const sendings = chosen.map((letter) => returnOf(looker, registered, letter));
      for (const key of keysThatOpen(chosen)) {
        const queue = registered.queues.side[partitionOf(key, registered.partitions)]!;
        sendings.push(recordOf(queue, { kind: 'open', key }, looker.host.newId()));
      }
      await looker.publisher.send(...sendings);
      for (const { delivery } of chosen) channel.ack(delivery);
      return chosen.length;
    });
  }
  return count;
}

/** With one of a key that is shut go all of that key. */
function choose(letters: readonly Letter[], query: RedriveQuery): Letter[] {
  if ('all' in query) return [...letters];
  const ids = new Set(query.ids);
  const wanted = letters.filter(({ message }) => ids.has(message.id));
  const keys = new Set(keysThatOpen(wanted));
  return letters.filter(
    ({ message, note }) =>
      ids.has(message.id) || (note.key !== null && isShutting(note) && keys.has(note.key)),
  );
}

function keysThatOpen(letters: readonly Letter[]): string[] {
  const keys = letters.flatMap(({ note }) =>
    note.key !== null && isShutting(note) ? [note.key] : [],
  );
  return [...new Set(keys)];
}

function isShutting({ isShutting: shuts, reason }: DeadNote): boolean {
  return shuts || reason === 'diverted';
}

const longestHistory = 100;

function returnOf({ host }: Looker, registered: Registered, letter: Letter): Sending {
  const { message, acceptedAt, note } = letter;
  const now = host.clock.now();
  const redriven =
    host.journal === 'exceptions'
      ? [{ at: now, event: 'redriven' as const, attempt: note.attempts, detail: note.reason }]
      : [];
  const history = [...(note.story?.history ?? []), ...redriven].slice(-longestHistory);
  const copy: CopyNote = {
    kind: 'copy',
    version: 0,
    order: null,
    attempt: 1,
    heldUntil: 0,
    needs: [],
    heard: [],
    returned: note.stamp,
    story: {
      suspicion: 'none',
      crashesBeside: 0,
      parkedFor: [],
      waitsSince: now,
      firstFailure: null,
      lastFailure: null,
      history,
    },
  };
  const index = partitionOf(note.key ?? message.id, registered.partitions);
  const key = registered.queues.side[index]!;
  return sendingOf({ exchange: '', key, message, acceptedAt, note: copy });
}
