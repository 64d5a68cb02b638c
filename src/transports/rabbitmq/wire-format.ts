/**
 * How a message looks on the wire, for programs in other languages as well: attributes in AMQP
 * properties, extensions in headers that are spelt as CloudEvents spells them.
 *
 * | attribute            | where                                                       |
 * | -------------------- | ----------------------------------------------------------- |
 * | id, type             | `message-id`, `type`                                        |
 * | time                 | header `cloudEvents:time`, milliseconds since 1970          |
 * | partitionkey         | header `cloudEvents:partitionkey`                           |
 * | what it waits for    | header `cloudEvents:malotewaitfor`, a JSON list             |
 * | not before           | header `cloudEvents:malotedue`, milliseconds since 1970     |
 * | the runtime's own    | header `cloudEvents:maloteheaders`                          |
 * | text or bytes        | `content-type`: `application/json` or octets                |
 */

import type { ConsumeMessage, Message, Options } from 'amqplib';
import type { Story } from '../../transport/lane-table.ts';
import type { FactId, Outgoing } from '../../transport/transport.ts';
import type { Sending } from './publisher.ts';

const text = 'application/json';
const bytes = 'application/octet-stream';

const header = {
  time: 'cloudEvents:time',
  key: 'cloudEvents:partitionkey',
  facts: 'cloudEvents:malotewaitfor',
  due: 'cloudEvents:malotedue',
  own: 'cloudEvents:maloteheaders',
  note: 'malote-note',
} as const;

/** What arrived, as the engine goes on with it. */
export interface Arrived {
  readonly message: Outgoing;
  readonly acceptedAt: number;
  /** Not to be delivered before. */
  readonly dueAt: number;
  readonly note: Note | null;
  readonly redelivered: boolean;
}

/** What travels beside a message that is no longer ordinary, or in place of one. */
export type Note = CopyNote | TokenNote | ShutNote | OpenNote | MarkNote | DeadNote;

/** A message with its state: the newest version counts. */
export interface CopyNote {
  readonly kind: 'copy';
  readonly version: number;
  /** Its place among the messages of its partition; null: behind all that have one. */
  readonly order: number | null;
  readonly attempt: number;
  readonly heldUntil: number;
  readonly story: Story | null;
  readonly needs: readonly FactId[];
  /** The ledgers, by session, up to which deaths are counted in `attempt`. */
  readonly heard: readonly Heard[];
  /** It is a dead letter that returns: the stamp of that death. */
  readonly returned: string | null;
}

export type Heard = readonly [session: string, ledger: number];

/** Whoever holds it owns the partition. */
export interface TokenNote {
  readonly kind: 'token';
  readonly epoch: number;
  readonly by: string;
}

/** A dead letter holds its key shut. */
export interface ShutNote {
  readonly kind: 'shut';
  readonly key: string;
  readonly state: 'blocked' | 'diverting';
  /** The message whose death it is. */
  readonly id: string;
  readonly topic: string;
}

/** The dead letters of a key were sent back before this: it opens. */
export interface OpenNote {
  readonly kind: 'open';
  readonly key: string;
}

/** Somebody wants to know when everything before it was read. */
export interface MarkNote {
  readonly kind: 'mark';
  readonly by: string;
}

export interface DeadNote {
  readonly kind: 'dead';
  /** Orders deaths, and tells them apart. */
  readonly stamp: string;
  readonly key: string | null;
  readonly reason: string;
  readonly attempts: number;
  readonly diedAt: number;
  readonly story: Story | null;
  /** It holds its key shut. */
  readonly isShutting: boolean;
}

export interface Writing {
  readonly exchange: string;
  readonly key: string;
  readonly message: Outgoing;
  readonly acceptedAt: number;
  readonly note?: Note;
}

export function sendingOf({ exchange, key, message, acceptedAt, note }: Writing): Sending {
  const { body, facts, delayMs } = message;
  const headers: Record<string, string | number> = { [header.time]: acceptedAt };
  if (message.key !== null) headers[header.key] = message.key;
  if (facts.length > 0) headers[header.facts] = JSON.stringify(facts);
  if (delayMs > 0) headers[header.due] = acceptedAt + delayMs;
  if (message.headers !== null) headers[header.own] = message.headers;
  if (note !== undefined) headers[header.note] = JSON.stringify(note);
  const isText = typeof body === 'string';
  const properties: Options.Publish = {
    messageId: message.id,
    type: message.topic,
    contentType: isText ? text : bytes,
    headers,
  };
  return { exchange, key, body: isText ? Buffer.from(body) : Buffer.from(body), properties };
}

/** A record of the engine's own. */
export function recordOf(queue: string, note: Note, messageId: string): Sending {
  const headers = { [header.note]: JSON.stringify(note) };
  return { exchange: '', key: queue, body: Buffer.alloc(0), properties: { messageId, headers } };
}

/** Never throws: what a stranger wrote wrong is taken as if it were absent. */
export function arrivedOf(
  { content, fields, properties }: Message | ConsumeMessage,
  now: number,
): Arrived {
  const headers = (properties.headers ?? {}) as Readonly<Record<string, unknown>>;
  const { messageId, type, contentType } = properties as unknown as Readonly<
    Record<string, unknown>
  >;
  const acceptedAt = numberOf(headers[header.time]) ?? now;
  const dueAt = numberOf(headers[header.due]) ?? 0;
  const isText = typeof contentType === 'string' && /^(text\/|application\/json)/.test(contentType);
  return {
    message: {
      id: textOf(messageId) ?? '',
      topic: textOf(type) ?? '',
      body: isText ? content.toString('utf8') : new Uint8Array(content),
      headers: textOf(headers[header.own]),
      key: textOf(headers[header.key]),
      delayMs: Math.max(0, dueAt - acceptedAt),
      dedupe: [],
      facts: factsOf(headers[header.facts]),
    },
    acceptedAt,
    dueAt,
    note: noteOf(headers[header.note]),
    redelivered: fields.redelivered,
  };
}

/** Tells one message from another in a partition, whatever copies of it there are. */
export function identityOf({ topic, id }: Pick<Outgoing, 'topic' | 'id'>): string {
  return `${topic}\n${id}`;
}

function noteOf(value: unknown): Note | null {
  return typeof value === 'string' ? (parsed(value) as Note | null) : null;
}

const noFacts: readonly string[] = [];

function factsOf(value: unknown): readonly string[] {
  if (typeof value !== 'string') return noFacts;
  const facts = parsed(value);
  if (!Array.isArray(facts)) return noFacts;
  return facts.filter((fact): fact is string => typeof fact === 'string');
}

function parsed(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return null;
  }
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}
