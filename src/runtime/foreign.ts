/**
 * What a program without malote published, and `orderBy` and `waitFor` never saw: read here as a
 * delivery would be, and sealed as a publish would be.
 *
 * Whatever cannot be computed makes the message `invalid`: without its key it would give up its
 * order without a word.
 */

import { MaloteError } from '../errors.ts';
import { toMs } from '../message/duration.ts';
import { failureOf, isThenable, ownFailureOf } from '../message/failure.ts';
import { type BodyLimits, decode } from '../message/json.ts';
import type { MessageType } from '../message/message.ts';
import { checkKey } from '../message/names.ts';
import type { Foreign, Outgoing, Sealed } from '../transport/transport.ts';
import {
  factsFor,
  isHeader,
  maxHeaderLength,
  orderKeyOf,
  outputOf,
  threw,
  type WireHeaders,
} from './envelope.ts';
import { readHeaders, upcast } from './reader.ts';

export interface ForeignMessages {
  /** The types of a subscription of this bus. */
  know(types: ReadonlyMap<string, MessageType>): void;
  /** Never throws, never rejects. */
  seal(foreign: Foreign): Sealed | Promise<Sealed>;
}

export interface ForeignOptions {
  readonly limits: BodyLimits;
  readonly newId: () => string;
}

export function createForeign(options: ForeignOptions): ForeignMessages {
  const known = new Map<string, MessageType>();
  return {
    know(types) {
      for (const [name, type] of types) known.set(name, type);
    },
    seal: (foreign) => sealOne(foreign, known.get(foreign.topic), options),
  };
}

function sealOne(
  foreign: Foreign,
  type: MessageType | undefined,
  options: ForeignOptions,
): Sealed | Promise<Sealed> {
  let message = bareOf(foreign, options);
  try {
    message = { ...message, headers: headersOf(foreign) };
    checkAttributes(foreign);
    const version = versionOf(message.headers);
    if (type === undefined || version > type.version) return { kind: 'unknown', message };
    const parsed = parse(type, { foreign, version, limits: options.limits });
    const seal = (output: unknown): Sealed => sealed(type, { foreign, message, parsed: output });
    if (!isThenable(parsed)) return seal(parsed);
    return Promise.resolve(parsed).then(seal, (error: unknown) => invalid(message, error));
  } catch (error) {
    return invalid(message, error);
  }
}

/** The message as it came, for its dead letter. */
function bareOf({ topic, id, body, headers, delayMs }: Foreign, options: ForeignOptions): Outgoing {
  const none: readonly string[] = [];
  return {
    id: isKey(id) ? id : options.newId(),
    topic,
    body: textOf(body) ?? body,
    headers,
    key: null,
    delayMs,
    dedupe: none,
    facts: none,
  };
}

function isKey(id: string | null): id is string {
  try {
    return id !== null && checkKey(id, 'id') === id;
  } catch {
    return false;
  }
}

function checkAttributes({ id, topic, delayMs, flaw }: Foreign): void {
  if (flaw !== null) throw new MaloteError('DATA_INVALID', `${topic}: ${flaw}`);
  if (id !== null) checkKey(id, `id of ${topic}`);
  toMs(delayMs, `delay of ${topic}`);
}

function headersOf({ headers, attributes }: Foreign): string | null {
  const given = headers === null ? {} : readHeaders(headers);
  const user: Record<string, string> = { ...given.user };
  let size = 0;
  for (const [name, value] of Object.entries(attributes)) {
    const known = name.toLowerCase();
    size += name.length + value.length;
    if (isHeader(known, value) && size <= maxHeaderLength) user[known] ??= value;
  }
  const wire: WireHeaders = { ...given, ...(Object.keys(user).length > 0 ? { user } : {}) };
  return Object.keys(wire).length === 0 ? null : JSON.stringify(wire);
}

function versionOf(headers: string | null): number {
  return headers === null ? 1 : (readHeaders(headers).version ?? 1);
}

interface Parsing {
  readonly foreign: Foreign;
  readonly version: number;
  readonly limits: BodyLimits;
}

function parse(type: MessageType, { foreign, version, limits }: Parsing): unknown {
  const text = textOf(foreign.body);
  const where = `body of ${type.name}`;
  if (text === null) throw new MaloteError('DATA_INVALID', `${where} must be JSON in UTF-8`);
  const decoded = decode(text, where, limits);
  const body = version < type.version ? upcast(type, decoded, version) : decoded;
  if (type.schema === null) return body;
  const result = type.schema['~standard'].validate(body);
  if (!isThenable(result)) return outputOf(type, result);
  return Promise.resolve(result).then(
    (checked) => outputOf(type, checked),
    (error: unknown) => {
      throw threw(type, 'schema', error);
    },
  );
}

interface Sealing {
  readonly foreign: Foreign;
  readonly message: Outgoing;
  readonly parsed: unknown;
}

function sealed(type: MessageType, { foreign, message, parsed }: Sealing): Sealed {
  try {
    const orderKey = foreign.key ?? undefined;
    const key = orderKeyOf(type, parsed, orderKey === undefined ? undefined : { orderKey });
    // What its publisher asks for comes on top: nobody can make a message run too early.
    const facts = type.waitFor === undefined ? [] : factsFor(type, parsed);
    const needs = [...new Set([...facts, ...foreign.facts])];
    return { kind: 'sealed', message: { ...message, key, facts: needs } };
  } catch (error) {
    return invalid(message, error);
  }
}

function invalid(message: Outgoing, error: unknown): Sealed {
  const failure = error instanceof MaloteError ? ownFailureOf(error) : failureOf(error);
  return { kind: 'invalid', message, failure };
}

function textOf(body: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    return null;
  }
}
