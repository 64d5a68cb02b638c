/**
 * From a delivery's body to the handler's typed message, and the three ways that can fail.
 *
 * Only a body that fails its own version's schema is `invalid`. A version or a type from the
 * future is nobody's fault: it goes back for a newer worker.
 */

import { isInstance, MaloteError } from '../errors.ts';
import { type BodyLimits, decode } from '../message/json.ts';
import type { MessageType } from '../message/message.ts';
import type { Delivery } from '../transport/transport.ts';
import { sentenceOf, type WireHeaders } from './envelope.ts';
import { failureOf, isThenable } from '../message/failure.ts';

/** A message as its handler sees it. A new object at every attempt: changing it harms nobody. */
export interface Received<Name extends string = string, Data = unknown> {
  readonly id: string;
  readonly type: Name;
  readonly data: Data;
  /** The partition key, where the message has one. */
  readonly key: string | null;
  readonly publishedAt: Date;
  readonly headers: Readonly<Record<string, string>>;
}

export type Reading =
  | { readonly kind: 'read'; readonly message: Received }
  | { readonly kind: 'invalid'; readonly error: MaloteError }
  | { readonly kind: 'later'; readonly why: 'newer-version' | 'unknown-type' };

const noHeaders: Readonly<Record<string, string>> = Object.freeze({});

export function createReader(
  types: ReadonlyMap<string, MessageType>,
  limits: BodyLimits,
): (delivery: Delivery) => Reading | Promise<Reading> {
  return (delivery) => {
    const type = types.get(delivery.topic);
    if (type === undefined) return { kind: 'later', why: 'unknown-type' };
    try {
      const headers = delivery.headers === null ? null : readHeaders(delivery.headers);
      const version = headers?.version ?? 1;
      if (version > type.version) return { kind: 'later', why: 'newer-version' };
      const decoded = decode(delivery.body, `body of ${type.name}`, limits);
      const body = version < type.version ? upcast(type, decoded, version) : decoded;
      return check(delivery, type, body, headers?.user ?? noHeaders);
    } catch (error) {
      return invalid(type, error);
    }
  };
}

function check(
  delivery: Delivery,
  type: MessageType,
  body: unknown,
  headers: Readonly<Record<string, string>>,
): Reading | Promise<Reading> {
  if (type.schema === null) return read(delivery, body, headers);
  const result = type.schema['~standard'].validate(body);
  const conclude = (checked: Awaited<typeof result>): Reading =>
    checked.issues === undefined
      ? read(delivery, checked.value, headers)
      : invalid(type, misfit(type, sentenceOf(checked.issues)));
  if (!isThenable(result)) return conclude(result);
  return Promise.resolve(result).then(conclude, (error: unknown) => invalid(type, error));
}

function read(
  { id, topic, key, acceptedAt }: Delivery,
  data: unknown,
  headers: Readonly<Record<string, string>>,
): Reading {
  const message = { id, type: topic, data, key, publishedAt: new Date(acceptedAt), headers };
  return { kind: 'read', message };
}

export function upcast(type: MessageType, body: unknown, from: number): unknown {
  if (type.upcast !== undefined) return type.upcast(body, from);
  throw new MaloteError(
    'DATA_INVALID',
    `${type.name} has version ${type.version} and no upcast for version ${from}`,
  );
}

function misfit({ name }: MessageType, issues: string): MaloteError {
  const sentence = `data of ${name} is invalid: it does not fit the schema: ${issues}`;
  return new MaloteError('DATA_INVALID', sentence);
}

function invalid(type: MessageType, error: unknown): Reading {
  if (isInstance(error, MaloteError)) return { kind: 'invalid', error };
  const message = `data of ${type.name} is invalid: ${failureOf(error).message}`;
  return { kind: 'invalid', error: new MaloteError('DATA_INVALID', message, { cause: error }) };
}

/** Written by a publisher's {@link WireHeaders}; a foreign one may have written anything. */
export function readHeaders(text: string): WireHeaders {
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed;
  throw new MaloteError('DATA_INVALID', 'headers must be an object');
}
