/**
 * From what a user publishes to what travels, and back: schema, order key, facts, identity and
 * headers, each computed once and at one place.
 */

import type { StandardSchemaV1 } from '@standard-schema/spec';
import { MaloteError, optionInvalid } from '../errors.ts';
import { needsOf, type WaitKeys } from '../message/dependency.ts';
import { type Duration, toMs } from '../message/duration.ts';
import { type BodyLimits, encode } from '../message/json.ts';
import { isMessageType, type MessageType } from '../message/message.ts';
import { checkKey } from '../message/names.ts';
import type { Outgoing } from '../transport/transport.ts';
import { failureOf, isThenable } from '../message/failure.ts';
import { checkNames, checkSignal } from '../message/checks.ts';

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
  /**
   * Chosen by the caller: publishing the same id again answers `duplicate`, as long as the first
   * message is there and for 7 days after it is done.
   */
  readonly id?: string | undefined;
  /** In place of what the type's `dedupe` answers. */
  readonly dedupe?: string | undefined;
  /** In place of what the type's `orderBy` answers. */
  readonly orderKey?: string | undefined;
  readonly delay?: Duration | undefined;
  /** Not processed before this instant. */
  readonly at?: Date | undefined;
  /** Text by name; names in lower case letters, digits and "-", at most 16 KB in all. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Gives up waiting. */
  readonly signal?: AbortSignal | undefined;
  /** How long to wait while a subscription is full, instead of `QUEUE_FULL` at once. */
  readonly wait?: Duration | undefined;
  /** The caller's open transaction on the engine's own database. */
  readonly tx?: Tx | undefined;
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
/** Of one call for many: what is there once cannot hold for each of them. */
const manyNames = publishNames.filter((name) => !['id', 'dedupe', 'tx'].includes(name));
/** Of a message that goes with an outcome: it neither waits nor has a transaction of its own. */
const stagedNames = publishNames.filter((name) => !['signal', 'wait', 'tx'].includes(name));
const noFacts: readonly string[] = [];
const none: readonly string[] = [];

export interface EnvelopeContext {
  readonly limits: BodyLimits;
  readonly newId: () => string;
  readonly now: () => number;
  readonly causation: string | null;
  /** Whether the engine, or the store beside it, remembers the keys that dedupe goes by. */
  readonly remembers: boolean;
}

export function checkManyOptions(options: object | undefined): void {
  if (options !== undefined) checkNames('publishMany', options, manyNames);
}

export function checkStagedOptions(where: string, options: object | undefined): void {
  if (options !== undefined) checkNames(where, options, stagedNames);
}

/** Checks the data against the schema; synchronous where the schema is. */
export function seal(
  type: MessageType,
  data: unknown,
  options: PublishOptions<unknown> | undefined,
  context: EnvelopeContext,
): Outgoing | Promise<Outgoing> {
  if (!isMessageType(type)) throw optionInvalid('publish: type', 'made by message()', type);
  if (options !== undefined) {
    checkNames(`publish(${type.name})`, options, publishNames);
    checkSignal(`publish(${type.name}): signal`, options.signal);
  }
  if (type.schema === null) return sealChecked(type, data, data, options, context);
  const result = validated(type.schema, type, data);
  if (isThenable(result)) {
    return Promise.resolve(result).then(
      (checked) => sealChecked(type, data, outputOf(type, checked), options, context),
      (error: unknown) => {
        throw threw(type, 'schema', error);
      },
    );
  }
  return sealChecked(type, data, outputOf(type, result), options, context);
}

function validated(
  schema: StandardSchemaV1,
  type: MessageType,
  data: unknown,
): ReturnType<StandardSchemaV1['~standard']['validate']> {
  try {
    return schema['~standard'].validate(data);
  } catch (error) {
    throw threw(type, 'schema', error);
  }
}

/** What a function of the type threw is the data's fault: it was not made for it. */
export function threw(type: MessageType, what: string, cause: unknown): MaloteError {
  if (cause instanceof MaloteError) return cause;
  const { name, message } = failureOf(cause);
  const sentence = `${what} of ${type.name} threw ${name}: ${message}`;
  return new MaloteError('DATA_INVALID', sentence, { cause });
}

export function outputOf(type: MessageType, result: StandardSchemaV1.Result<unknown>): unknown {
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
  return {
    id: given === undefined ? context.newId() : checkKey(given, `publish(${type.name}): id`),
    topic: type.name,
    body: encode(data, `data of ${type.name}`, context.limits),
    headers: headersOf(type, options, context.causation),
    key: orderKeyOf(type, parsed, options),
    delayMs: options === undefined ? 0 : delayOf(type, options, context.now),
    dedupe: dedupeOf(type, parsed, options, context),
    facts: type.waitFor === undefined ? noFacts : factsFor(type, parsed),
  };
}

export function orderKeyOf(
  type: MessageType,
  parsed: unknown,
  options: PublishOptions<unknown> | undefined,
): string | null {
  let key: unknown = options?.orderKey;
  if (key === undefined) {
    if (type.orderBy === undefined) return null;
    try {
      key = type.orderBy(parsed);
    } catch (error) {
      throw threw(type, 'orderBy', error);
    }
  }
  return checkKey(key, `order key of ${type.name}`);
}

export function factsFor(type: MessageType, parsed: unknown): readonly string[] {
  let keys: unknown;
  try {
    keys = type.waitFor!(parsed);
  } catch (error) {
    throw threw(type, 'waitFor', error);
  }
  // No answer is a mistake more often than a wish, and would let the message run too early.
  if (keys !== undefined) return needsOf(keys as WaitKeys);
  throw new MaloteError(
    'DATA_INVALID',
    `waitFor of ${type.name} must answer a key or a list of keys ([] for none), got undefined`,
  );
}

function dedupeOf(
  type: MessageType,
  parsed: unknown,
  options: PublishOptions<unknown> | undefined,
  { remembers }: EnvelopeContext,
): readonly string[] {
  const id = options?.id;
  const isKeyed = options?.dedupe !== undefined || type.dedupe !== undefined;
  if (!isKeyed && id === undefined) return none;
  if (isKeyed && !remembers) throw forgetful(type);
  const key = isKeyed ? dedupeKeyOf(type, parsed, options) : undefined;
  const keys: string[] = [];
  if (id !== undefined) keys.push(`id:${id}`);
  if (key !== undefined) keys.push(`key:${key}`);
  return keys;
}

function dedupeKeyOf(
  type: MessageType,
  parsed: unknown,
  options: PublishOptions<unknown> | undefined,
): string {
  let key: unknown = options?.dedupe;
  try {
    key ??= type.dedupe?.(parsed);
  } catch (error) {
    throw threw(type, 'dedupe', error);
  }
  return checkKey(key, `dedupe key of ${type.name}`);
}

function forgetful({ name }: MessageType): MaloteError {
  return new MaloteError(
    'CAPABILITY_MISSING',
    `publish(${name}): it has dedupe, and the engine does not remember keys; nothing was stored. ` +
      'Give createBus a store that does',
  );
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
export const maxHeaderLength = 16_384;

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
  if (typeof headers !== 'object' || headers === null) {
    throw optionInvalid(where, 'an object of texts', headers);
  }
  let size = 0;
  for (const [name, value] of Object.entries(headers)) {
    if (!isHeaderName(name)) {
      throw optionInvalid(where, 'named in lower case and not "malote…"', name);
    }
    if (!isHeaderText(value)) {
      throw optionInvalid(`${where}["${name}"]`, 'text without control characters', value);
    }
    size += name.length + value.length;
  }
  if (size > maxHeaderLength) {
    throw optionInvalid(where, `at most ${maxHeaderLength} characters in all`, size);
  }
}

function isHeaderName(name: string): boolean {
  return headerName.test(name) && !name.startsWith('malote');
}

function isHeaderText(value: unknown): boolean {
  // oxlint-disable-next-line no-control-regex -- control characters are what is refused
  return typeof value === 'string' && !/[\u0000-\u001f\u007f]/.test(value);
}

/** Whether a header that nobody checked at a publish may be told to handlers. */
export function isHeader(name: string, value: unknown): boolean {
  return isHeaderName(name) && isHeaderText(value);
}
