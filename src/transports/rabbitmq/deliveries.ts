/**
 * A delivery as AMQP 0-9-1 has it on the wire (its specification, section 2.3.5): the frames of a
 * method, of properties, and of a body, read in one go where they have all come.
 *
 * The driver takes each frame apart by itself and makes a text of every name in it, eight of them,
 * of which seven are those of the delivery before. Here a text is made only where its bytes
 * differ. Whatever is not a whole delivery that malote could have written is left to the driver:
 * other methods, what has come in part, bodies of several frames, tables within tables.
 */

import type { ChannelModel, ConsumeMessage } from 'amqplib';
import { basic, frameHead, frameMark, frameType, kind, method, property } from './amqp.ts';

type Consume = (message: ConsumeMessage) => void;

/** What the driver has for itself. */
interface Channel {
  readonly consumers: ReadonlyMap<string, Consume>;
  closeWithError(method: undefined, reason: string, code: number, error: unknown): void;
}

interface Connection {
  /** What was read and not taken apart yet. */
  rest: Buffer;
  readonly channels: readonly ({ readonly channel: Channel } | null | undefined)[];
  /** Hears of a frame; another one once the connection closes. */
  accept: unknown;
  recvFrame(): unknown;
}

const basicDeliver = basic * 2 ** 16 + method.deliver;
const known: number = Object.values(property).reduce((all: number, one) => all | one, 0);
/** As AMQP has it. */
const internalError = 541;
const nothing: Buffer = Buffer.alloc(0);

/** Reads deliveries of a connection; everything else of it goes its way. */
export function readDeliveries(model: ChannelModel): void {
  const { connection } = model as unknown as { readonly connection: Connection };
  const { accept } = connection;
  const readFrame = connection.recvFrame.bind(connection);
  const seen = new Map<number, Seen>();
  /** Answers where what is left for the driver begins. */
  function readAll(bytes: Buffer): number {
    let at = 0;
    while (connection.accept === accept) {
      const delivery = wholeDelivery(bytes, at, seen);
      if (delivery === null) break;
      const channel = openChannel(connection, delivery);
      const consume = channel?.consumers?.get(delivery.message.fields.consumerTag);
      if (channel === undefined || consume === undefined) break;
      at = delivery.end;
      try {
        consume(delivery.message as ConsumeMessage);
      } catch (error) {
        channel.closeWithError(undefined, 'Error while processing message', internalError, error);
      }
    }
    return at;
  }
  connection.recvFrame = () => {
    const { rest } = connection;
    const at = readAll(rest);
    if (at > 0) connection.rest = rest.subarray(at);
    return readFrame();
  };
}

/** Undefined also where it is being closed: the driver drops what comes then. */
function openChannel({ channels }: Connection, { channel }: Whole): Channel | undefined {
  const open = channels[channel]?.channel;
  return open === undefined || Object.hasOwn(open, 'accept') ? undefined : open;
}

interface Whole {
  readonly channel: number;
  readonly message: Pick<ConsumeMessage, 'fields' | 'content'> & { readonly properties: object };
  /** Where the next frame begins. */
  readonly end: number;
}

/** Null when it is anything else. */
function wholeDelivery(bytes: Buffer, start: number, seenOf: Map<number, Seen>): Whole | null {
  const methodEnd = frameEnd(bytes, start, frameType.method);
  if (methodEnd < 0 || bytes.readUInt32BE(start + frameHead) !== basicDeliver) return null;
  const headerEnd = frameEnd(bytes, methodEnd, frameType.header);
  if (headerEnd < 0 || bytes.readUInt16BE(methodEnd + frameHead) !== basic) return null;
  const size = bytes.readUInt32BE(methodEnd + frameHead + 8);
  const end = size === 0 ? headerEnd : frameEnd(bytes, headerEnd, frameType.body);
  const from = headerEnd + frameHead;
  if (size > 0 && end - 1 - from !== size) return null;
  const channel = bytes.readUInt16BE(start + 1);
  let seen = seenOf.get(channel);
  if (seen === undefined) seenOf.set(channel, (seen = createSeen()));
  const properties = propertiesAt(bytes, methodEnd + frameHead + 12, seen);
  if (properties === null) return null;
  const content = size === 0 ? nothing : bytes.subarray(from, from + size);
  const fields = fieldsAt(bytes, start + frameHead + 4, seen);
  return { channel, message: { fields, properties, content }, end };
}

/** Where the frame behind this one begins; -1 when it is of another type, or not all here. */
function frameEnd(bytes: Buffer, at: number, type: number): number {
  if (bytes.length < at + frameHead || bytes[at] !== type) return -1;
  const end = at + frameHead + bytes.readUInt32BE(at + 3) + 1;
  return end > bytes.length || bytes[end - 1] !== frameMark ? -1 : end;
}

/** Texts as they were in the delivery before, each in its place. */
interface Seen {
  readonly consumerTag: Last;
  readonly exchange: Last;
  readonly routingKey: Last;
  readonly contentType: Last;
  readonly type: Last;
  /** Of the headers, in their order. */
  readonly names: Last[];
}

interface Last {
  bytes: Buffer;
  text: string;
}

function createSeen(): Seen {
  return {
    consumerTag: unseen(),
    exchange: unseen(),
    routingKey: unseen(),
    contentType: unseen(),
    type: unseen(),
    names: [],
  };
}

function unseen(): Last {
  return { bytes: nothing, text: '' };
}

/** A short text: its length stands before it. */
function textAt(bytes: Buffer, at: number, last: Last): string {
  const length = bytes[at]!;
  const from = at + 1;
  if (!isSame(bytes, from, length, last.bytes)) {
    last.bytes = Buffer.from(bytes.subarray(from, from + length));
    last.text = last.bytes.toString('utf8');
  }
  return last.text;
}

function isSame(bytes: Buffer, from: number, length: number, other: Buffer): boolean {
  if (length !== other.length) return false;
  for (let index = 0; index < length; index++) {
    if (bytes[from + index] !== other[index]) return false;
  }
  return true;
}

function behind(bytes: Buffer, at: number): number {
  return at + 1 + bytes[at]!;
}

function fieldsAt(bytes: Buffer, from: number, seen: Seen): ConsumeMessage['fields'] {
  const consumerTag = textAt(bytes, from, seen.consumerTag);
  let at = behind(bytes, from);
  const deliveryTag = integerAt(bytes, at);
  const redelivered = (bytes[at + 8]! & 1) === 1;
  at += 9;
  const exchange = textAt(bytes, at, seen.exchange);
  at = behind(bytes, at);
  const routingKey = textAt(bytes, at, seen.routingKey);
  return { consumerTag, deliveryTag, redelivered, exchange, routingKey };
}

/** All that there are, as the driver has them; null where one is not malote's. */
function propertiesAt(bytes: Buffer, from: number, seen: Seen): object | null {
  const flags = bytes.readUInt16BE(from);
  if ((flags & ~known) !== 0) return null;
  const found = emptyProperties();
  let at = from + 2;
  if (flags & property.contentType) {
    found.contentType = textAt(bytes, at, seen.contentType);
    at = behind(bytes, at);
  }
  if (flags & property.headers) {
    const end = at + 4 + bytes.readUInt32BE(at);
    found.headers = tableAt(bytes, at + 4, { end, names: seen.names });
    if (found.headers === null) return null;
    at = end;
  }
  if (flags & property.deliveryMode) found.deliveryMode = bytes[at++];
  if (flags & property.expiration) {
    found.expiration = bytes.toString('utf8', at + 1, behind(bytes, at));
    at = behind(bytes, at);
  }
  if (flags & property.messageId) {
    found.messageId = bytes.toString('utf8', at + 1, behind(bytes, at));
    at = behind(bytes, at);
  }
  if (flags & property.timestamp) {
    found.timestamp = integerAt(bytes, at);
    at += 8;
  }
  if (flags & property.type) found.type = textAt(bytes, at, seen.type);
  return found;
}

type Table = Record<string, string | number>;

interface Properties {
  contentType: string | undefined;
  headers: Table | null | undefined;
  deliveryMode: number | undefined;
  expiration: string | undefined;
  messageId: string | undefined;
  timestamp: number | undefined;
  type: string | undefined;
}

/** Of one shape, in the order of the driver. */
function emptyProperties(): Properties {
  const none = undefined;
  return {
    contentType: none,
    contentEncoding: none,
    headers: none,
    deliveryMode: none,
    priority: none,
    correlationId: none,
    replyTo: none,
    expiration: none,
    messageId: none,
    timestamp: none,
    type: none,
    userId: none,
    appId: none,
    clusterId: none,
  } as Properties;
}

interface Extent {
  readonly end: number;
  readonly names: Last[];
}

/** Null where there is a value of another kind than malote writes. */
function tableAt(bytes: Buffer, from: number, { end, names }: Extent): Table | null {
  const table: Table = {};
  let at = from;
  for (let index = 0; at < end; index++) {
    const name = textAt(bytes, at, (names[index] ??= unseen()));
    at = behind(bytes, at);
    const found = bytes[at];
    if (found === kind.text) {
      const length = bytes.readUInt32BE(at + 1);
      table[name] = bytes.toString('utf8', at + 5, at + 5 + length);
      at += 5 + length;
    } else if (found === kind.integer) {
      table[name] = signedAt(bytes, at + 1);
      at += 9;
    } else if (found === kind.double) {
      table[name] = bytes.readDoubleBE(at + 1);
      at += 9;
    } else return null;
  }
  return table;
}

function integerAt(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
}

function signedAt(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
}
