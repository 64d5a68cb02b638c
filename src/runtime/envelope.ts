/**
 * From what a user publishes to what travels, and back: schema, order key, facts, identity and
 * headers, each computed once and at one place.
 */

import type { StandardSchemaV1 } from '@standard-schema/spec';
import { MaloteError, optionInvalid, show } from '../errors.ts';
import { factsOf } from '../message/dependency.ts';
import { type Duration, toMs } from '../message/duration.ts';
import { type BodyLimits, encode } from '../message/json.ts';
import { isMessageType, type MessageType } from '../message/message.ts';
import { checkKey } from '../message/names.ts';
import type { Outgoing } from '../transport/transport.ts';
import { isThenable } from '../message/failure.ts';
import { checkNames } from '../message/checks.ts';

/** Attributes beside the body, spelt for the wire; absent ones are not written. */
export interface WireHeaders {
  /** Version of the schema, when it is not 1. */
  readonly version?: number;
  readonly traceparent?: string;
  /** The message whose handler published this one. */
  readonly causation?: string;
  readonly user?: Readonly<Record<string, string>>;
}

export interface PublishOptions<Tx = never> {
  /** Chosen by the caller: publishing the same id again within 7 days answers `duplicate`. */
  readonly id?: string;
  /** In place of what the type's `dedupe` answers. */
  readonly dedupe?: string;
  /** In place of what the type's `orderBy` answers. */
  readonly orderKey?: string;
  readonly delay?: Duration;
  /** Not processed before this instant. */
  readonly at?: Date;
  /** Text by name; names in lower case letters, digits and "-", at most 16 KB in all. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Gives up waiting. */
  readonly signal?: AbortSignal;
  /** How long to wait while a subscription is full, instead of `QUEUE_FULL` at once. */
  readonly wait?: Duration;
  /** The caller's open transaction on the engine's own database. */
  readonly tx?: Tx;
}

const publishNames = [
  'id',
  'dedupe',
  'orderKey',
  'delay',
  'at',
  'headers',
  'signal',
  'wait',
  'tx',
] as const;
const noFacts: readonly string[] = [];
const none: readonly string[] = [];

export interface EnvelopeContext {
  readonly limits: BodyLimits;
  readonly newId: () => string;
  readonly now: () => number;
  readonly causation: string | null;
}

/** Checks the data against the schema; synchronous where the schema is. */
export function seal(
  type: MessageType,
  data: unknown,
  options: PublishOptions<unknown> | undefined,
  context: EnvelopeContext,
): Outgoing | Promise<Outgoing> {
  if (!isMessageType(type)) throw optionInvalid('publish: type', 'made by message()', type);
  if (options !== undefined) checkNames(`publish(${type.name})`, options, publishNames);
  if (type.schema === null) return sealChecked(type, data, data, options, context);
  const result = type.schema['~standard'].validate(data);
  if (isThenable(result)) {
    return Promise.resolve(result).then((checked) =>
      sealChecked(type, data, outputOf(type, checked), options, context),
    );
  }
  return sealChecked(type, data, outputOf(type, result), options, context);
}

function outputOf(type: MessageType, result: StandardSchemaV1.Result<unknown>): unknown {
  if (result.issues === undefined) return result.value;
  throw new MaloteError(
    'DATA_INVALID',
    `data of ${type.name} must fit its schema: ${sentenceOf(result.issues)}`,
  );
}

/** The first three issues, each with its path; never the data. */
export function sentenceOf(issues: readonly StandardSchemaV1.Issue[]): string {
  const shown = issues.slice(0, 3).map(({ message, path }) => {
    const steps = (path ?? []).map((step) => String(typeof step === 'object' ? step.key : step));
    return steps.length === 0 ? message : `${steps.join('.')}: ${message}`;
  });
  const more = issues.length - shown.length;
  return (shown.join('; ') + (more > 0 ? `; and ${more} more` : '')).slice(0, 1_000);
}

function sealChecked(
  type: MessageType,
  data: unknown,
  parsed: unknown,
  options: PublishOptions<unknown> | undefined,
  context: EnvelopeContext,
): Outgoing {
  const given = options?.id;
  const orderKey = options?.orderKey ?? type.orderBy?.(parsed);
  const facts = type.waitFor?.(parsed);
  return {
    id: given === undefined ? context.newId() : checkKey(given, `publish(${type.name}): id`),
    topic: type.name,
    body: encode(data, `data of ${type.name}`, context.limits),
    headers: headersOf(type, options, context.causation),
    key: orderKey === undefined ? null : checkKey(orderKey, `order key of ${type.name}`),
    delayMs: options === undefined ? 0 : delayOf(type, options, context.now),
    dedupe: dedupeOf(type, parsed, options),
    facts: facts === undefined ? noFacts : factsOf(facts),
  };
}

function dedupeOf(
  type: MessageType,
  parsed: unknown,
  options: PublishOptions<unknown> | undefined,
): readonly string[] {
  const key = options?.dedupe ?? type.dedupe?.(parsed);
  const id = options?.id;
  if (key === undefined && id === undefined) return none;
  const keys: string[] = [];
  if (id !== undefined) keys.push(`id:${id}`);
  if (key !== undefined) keys.push(`key:${checkKey(key, `dedupe key of ${type.name}`)}`);
  return keys;
}

function delayOf(
  type: MessageType,
  { delay, at }: PublishOptions<unknown>,
  now: () => number,
): number {
  const where = `publish(${type.name})`;
  if (at !== undefined) {
    if (delay !== undefined) throw optionInvalid(`${where}: at`, 'absent beside delay', at);
    if (!(at instanceof Date) || Number.isNaN(at.getTime())) {
      throw optionInvalid(`${where}: at`, 'a valid Date', at);
    }
    return toMs(Math.max(0, at.getTime() - now()), `${where}: at`);
  }
  return delay === undefined ? 0 : toMs(delay, `${where}: delay`);
}

const headerName = /^[a-z][a-z0-9-]{0,63}$/;
const maxHeaderLength = 16_384;

function headersOf(
  type: MessageType,
  options: PublishOptions<unknown> | undefined,
  causation: string | null,
): string | null {
  const user = options?.headers;
  if (user === undefined && causation === null && type.version === 1) return null;
  if (user !== undefined) checkHeaders(type, user);
  const wire: WireHeaders = {
    ...(type.version === 1 ? {} : { version: type.version }),
    ...(causation === null ? {} : { causation }),
    ...(user === undefined ? {} : { user }),
  };
  return JSON.stringify(wire);
}

function checkHeaders(type: MessageType, headers: Readonly<Record<string, string>>): void {
  const where = `publish(${type.name}): headers`;
  let size = 0;
  for (const [name, value] of Object.entries(headers)) {
    if (!headerName.test(name) || name.startsWith('malote')) {
      throw optionInvalid(where, 'named in lower case and not "malote…"', name);
    }
    // oxlint-disable-next-line no-control-regex -- control characters are what is refused
    if (typeof value !== 'string' || /[\u0000-\u001f\u007f]/.test(value)) {
      throw optionInvalid(`${where}["${name}"]`, 'text without control characters', show(value));
    }
    size += name.length + value.length;
  }
  if (size > maxHeaderLength) {
    throw optionInvalid(where, `at most ${maxHeaderLength} characters in all`, size);
  }
}
