/**
 * Messages of programs without malote: what their AMQP properties say, where they go once their
 * keys and facts are computed, and the dead letters of those that nobody can read.
 *
 * | the message's …       | is                                                               |
 * | --------------------- | ---------------------------------------------------------------- |
 * | type                  | the routing key; by way of the default exchange: `type`          |
 * | id                    | header `cloudEvents:id`, else `message-id`, else a new one       |
 * | order key             | header `cloudEvents:partitionkey`, else what `orderBy` answers   |
 * | facts                 | `cloudEvents:malotewaitfor`, and what `waitFor` answers          |
 * | earliest time         | header `cloudEvents:malotedue`, milliseconds since 1970          |
 * | version, headers      | `cloudEvents:maloteheaders`; other headers that are text         |
 */

import type { ConsumeMessage } from 'amqplib';
import type { Failure, Foreign, Outgoing } from '../../transport/transport.ts';
import { fits } from './fit.ts';
import type { Context } from './hold.ts';
import { exchangeFor, placeIndexOf } from './names.ts';
import type { Sending } from './publisher.ts';
import type { Registered } from './registry.ts';
import { arrivedOf, header, sendingOf, type DeadNote } from './wire-format.ts';

export function foreignOf(delivery: ConsumeMessage, now: number): Foreign {
  const { fields, properties, content } = delivery;
  const headers = (properties.headers ?? {}) as Readonly<Record<string, unknown>>;
  const { message } = arrivedOf(delivery, now);
  const dueAt = headers[header.due];
  return {
    id: idOf(headers[header.id]) ?? idOf(properties.messageId),
    topic: fields.exchange === '' ? message.topic : fields.routingKey,
    body: content,
    headers: message.headers,
    attributes: attributesOf(headers),
    key: message.key,
    facts: message.facts,
    delayMs: typeof dueAt === 'number' ? Math.max(0, dueAt - now) : 0,
    flaw: flawOf(headers),
  };
}

/** An empty one says no more than none. */
function idOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function attributesOf(headers: Readonly<Record<string, unknown>>): Record<string, string> {
  const texts = Object.entries(headers).filter(
    ([name, value]) => typeof value === 'string' && !name.startsWith('cloudEvents:'),
  );
  return Object.fromEntries(texts) as Record<string, string>;
}

/** What cannot be read is not taken as absent: the message would run too early, or out of order. */
function flawOf(headers: Readonly<Record<string, unknown>>): string | null {
  const { due, key, own, facts } = header;
  const dueAt = headers[due];
  if (dueAt !== undefined && !(typeof dueAt === 'number' && Number.isFinite(dueAt))) {
    return `header ${due} must be a number, milliseconds since 1970`;
  }
  const wrong = [key, own, facts].find(
    (name) => headers[name] !== undefined && typeof headers[name] !== 'string',
  );
  if (wrong !== undefined) return `header ${wrong} must be text`;
  const needs = headers[facts];
  return typeof needs !== 'string' || isNeeds(needs)
    ? null
    : `header ${facts} must be a JSON list of facts, such as ["customer:5"]`;
}

function isNeeds(text: string): boolean {
  const isFact = (one: unknown): boolean => typeof one === 'string' && one.includes(':');
  try {
    const needs: unknown = JSON.parse(text);
    if (!Array.isArray(needs)) return false;
    return needs.every(
      (need: unknown) =>
        isFact(need) || (Array.isArray(need) && need.length > 0 && need.every(isFact)),
    );
  } catch {
    return false;
  }
}

/**
 * To the queue of its subscription that it belongs to; a long delay passes on the server.
 *
 * @throws MaloteError `MESSAGE_TOO_LARGE`: other drivers write longer headers than ours does
 */
export function forwardOf(
  { names, settings }: Pick<Context, 'names' | 'settings'>,
  { spec, queues, partitions }: Registered,
  { message, acceptedAt }: { readonly message: Outgoing; readonly acceptedAt: number },
): Sending {
  const index = placeIndexOf(message, partitions);
  const isKeyed = spec.order === 'key' && message.key !== null;
  const atOnce = isKeyed ? queues.main[index]! : queues.shared;
  const key = message.delayMs > 0 ? queues.side[index]! : atOnce;
  const exchange = exchangeFor(names, message.delayMs, settings.limits) ?? '';
  return sendingOf({ exchange, key, message, acceptedAt });
}

export interface Unreadable {
  readonly message: Outgoing;
  readonly now: number;
  readonly failure: Failure;
  /** Tells it apart from others of the same millisecond. */
  readonly stamp: string;
}

export function unreadableOf({ queues }: Registered, unreadable: Unreadable): Sending {
  const { now, failure, stamp } = unreadable;
  const message = bareOf(unreadable.message);
  const story: DeadNote['story'] = {
    suspicion: 'none',
    crashesBeside: 0,
    wasBehind: false,
    parkedFor: [],
    waitsSince: null,
    firstFailure: failure,
    lastFailure: failure,
    history: [],
  };
  const note: DeadNote = {
    kind: 'dead',
    stamp: `${String(now).padStart(16, '0')}-${stamp}`,
    turn: null,
    key: null,
    reason: 'invalid',
    attempts: 0,
    diedAt: now,
    story,
    heard: [],
    isShutting: false,
    isForeign: true,
    life: null,
  };
  return sendingOf({ exchange: '', key: queues.dead, message, acceptedAt: now, note });
}

/** What was computed of it, and headers that do not fit, are of no use to its dead letter. */
function bareOf(message: Outgoing): Outgoing {
  const { headers } = message;
  return { ...message, key: null, facts: [], headers: fits([headers]) ? headers : null };
}
