/**
 * How a message looks on the wire, for programs in other languages as well: attributes in AMQP
 * properties, extensions in headers that are spelt as CloudEvents spells them.
 *
 * | attribute            | where                                                       |
 * | -------------------- | ----------------------------------------------------------- |
 * | id, type             | `message-id`, `type`; an id of more than 255 bytes in header |
 * |                      | `cloudEvents:id`: `message-id` has its beginning and a hash  |
 * | time                 | header `cloudEvents:time`, milliseconds since 1970; left out |
 * |                      | where the id says the same (UUID version 7)                 |
 * | partitionkey         | header `cloudEvents:partitionkey`                           |
 * | what it waits for    | header `cloudEvents:malotewaitfor`, a JSON list; any of those |
 * |                      | in a list inside it will do                                 |
 * | not before           | header `cloudEvents:malotedue`, milliseconds since 1970     |
 * | the runtime's own    | header `cloudEvents:maloteheaders`                          |
 * | text or bytes        | `content-type`: `application/json` or octets                |
 *
 * What malote notes of a message is a header as well, or stands behind the body if it is long.
 */

import type { ConsumeMessage, Message } from 'amqplib';
import { timeOf } from '../../id.ts';
import { anyNeedOf, factsIn, isAnyOf, type Need } from '../../message/need.ts';
import type { Story } from '../../transport/lane-table.ts';
import type { FactId, Outgoing } from '../../transport/transport.ts';
import { checkFits, isShortNote, shortIdOf, spelledNote } from './fit.ts';
import type { Properties } from './frames.ts';
import type { Sending } from './publisher.ts';

const text = 'application/json';
const bytes = 'application/octet-stream';

export const header = {
  id: 'cloudEvents:id',
  time: 'cloudEvents:time',
  key: 'cloudEvents:partitionkey',
  facts: 'cloudEvents:malotewaitfor',
  due: 'cloudEvents:malotedue',
  own: 'cloudEvents:maloteheaders',
  note: 'malote-note',
  /** Where the note begins, if it stands behind the body. */
  noteAt: 'malote-note-at',
} as const;

/** What arrived, as the engine goes on with it. */
export interface Arrived {
  readonly message: Outgoing;
  /** See {@link identityOf}. */
  readonly identity: string;
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
  /**
   * In which epoch of the partition its owner wrote it; null where the message left another place
   * for it. An owner acks a message when its copy has come back: so a copy that comes to the
   * next owner is late, and the message is there as well.
   */
  readonly epoch: number | null;
  /** Its owner sent it away for a while: it is not there as well, whenever it comes back. */
  readonly isAway?: true;
  /** It stands in the lane of its key: what was accepted in order stays in order. */
  readonly isKeyed: boolean;
  /** Its place among the messages of its partition; null: behind all that have one. */
  readonly order: number | null;
  readonly attempt: number;
  /**
   * It was handed out when this was written. Whether its owner died of it is asked also where this
   * copy was given to nobody before.
   */
  readonly isAtWork: boolean;
  readonly heldUntil: number;
  readonly story: Story | null;
  readonly needs: readonly FactId[];
  /** The ledgers, by session, up to which deaths are counted in `attempt`. */
  readonly heard: readonly Heard[];
  /** It is a dead letter that returns: the stamp of that death. */
  readonly returned: string | null;
}

export function copyNoteOf({ note }: Pick<Arrived, 'note'>): CopyNote | null {
  return note?.kind === 'copy' ? note : null;
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
  /** In which epoch of the partition its owner wrote it. */
  readonly epoch: number;
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
  /** The last of them; null where they say nothing of their order. */
  readonly upTo: Turn | null;
}

/**
 * Where a death stands among those of its key, whatever the clocks of the owners said: by the
 * epoch of the partition, and among those of one owner by its own count.
 */
export type Turn = readonly [epoch: number, number: number];

/** Somebody wants to know when everything before it was read. */
export interface MarkNote {
  readonly kind: 'mark';
  readonly by: string;
}

export interface DeadNote {
  readonly kind: 'dead';
  /** Orders deaths, and tells them apart. */
  readonly stamp: string;
  /** Null without a partition. */
  readonly turn: Turn | null;
  readonly key: string | null;
  readonly reason: string;
  readonly attempts: number;
  readonly diedAt: number;
  readonly story: Story | null;
  /** The ledgers that list it from this life: they say nothing of the next one. */
  readonly heard: readonly Heard[];
  /** It holds its key shut. */
  readonly isShutting: boolean;
  /** It came from a program without malote: its key and facts are still to be computed. */
  readonly isForeign: boolean;
  /** The stamp of the death before, from which it had come back. */
  readonly life: string | null;
}

export interface Writing {
  readonly exchange: string;
  readonly key: string;
  readonly lane?: number | undefined;
  readonly message: Outgoing;
  readonly acceptedAt: number;
  readonly note?: Note;
}

/** @throws MaloteError `MESSAGE_TOO_LARGE` where key, facts and headers do not fit */
export function sendingOf(writing: Writing): Sending {
  const { exchange, key, lane, message, acceptedAt, note } = writing;
  const { id, body, facts, delayMs } = message;
  const needs = facts.length > 0 ? spelled(facts) : null;
  checkFits(message, [message.key, needs, message.headers]);
  const headers: Record<string, string | number> = {};
  if (timeOf(id) !== acceptedAt) headers[header.time] = acceptedAt;
  if (message.key !== null) headers[header.key] = message.key;
  if (needs !== null) headers[header.facts] = needs;
  if (delayMs > 0) headers[header.due] = acceptedAt + delayMs;
  if (message.headers !== null) headers[header.own] = message.headers;
  const messageId = shortIdOf(id);
  if (messageId !== id) headers[header.id] = id;
  const hasText = typeof body === 'string';
  const properties: Properties = {
    messageId,
    type: message.topic,
    contentType: hasText ? text : bytes,
    headers,
  };
  const content = hasText ? Buffer.from(body) : Buffer.from(body);
  return { exchange, key, lane, body: withNote(content, headers, note), properties };
}

/** Notes it in the headers, or behind the body where it is too long for them. */
function withNote(
  body: Buffer,
  headers: Record<string, string | number>,
  note: Note | undefined,
): Buffer {
  if (note === undefined) return body;
  const whole = spelledNote(note);
  if (isShortNote(whole)) {
    headers[header.note] = whole;
    return body;
  }
  headers[header.noteAt] = body.length;
  return Buffer.concat([body, Buffer.from(whole)]);
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
  const dueAt = numberOf(headers[header.due]) ?? 0;
  const hasText =
    contentType === text ||
    (typeof contentType === 'string' && /^(text\/|application\/json)/.test(contentType));
  const noteAt = numberOf(headers[header.noteAt]);
  const body = noteAt === undefined ? content : content.subarray(0, noteAt);
  const id = textOf(headers[header.id]) ?? textOf(messageId) ?? '';
  const topic = textOf(type) ?? '';
  const acceptedAt = numberOf(headers[header.time]) ?? timeOf(id) ?? now;
  return {
    message: {
      id,
      topic,
      body: hasText ? body.toString('utf8') : new Uint8Array(body),
      headers: textOf(headers[header.own]),
      key: textOf(headers[header.key]),
      delayMs: Math.max(0, dueAt - acceptedAt),
      dedupe: nothing,
      facts: factsOf(headers[header.facts]),
    },
    identity: identityOf({ topic, id }),
    acceptedAt,
    dueAt,
    note: noteOf(
      noteAt === undefined ? headers[header.note] : content.subarray(noteAt).toString('utf8'),
    ),
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

const nothing: readonly never[] = [];

function factsOf(value: unknown): readonly string[] {
  if (typeof value !== 'string') return nothing;
  const facts = parsed(value);
  if (!Array.isArray(facts)) return nothing;
  return facts.flatMap((fact: unknown) => {
    if (isText(fact)) return isAnyOf(fact) ? [] : fact;
    return Array.isArray(fact) && fact.length > 0 && fact.every(isText) ? anyNeedOf(fact) : [];
  });
}

/** `["a:1",["b:2","c:3"]]`: the first one, and one of the others. */
function spelled(needs: readonly Need[]): string {
  return JSON.stringify(needs.map((need) => (isAnyOf(need) ? factsIn(need) : need)));
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
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
