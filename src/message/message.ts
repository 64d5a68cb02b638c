/**
 * Message types: one value that carries a name, a schema, an order, a dependency and an identity.
 */

import type { StandardSchemaV1 } from '@standard-schema/spec';
import { MaloteError, optionInvalid } from '../errors.ts';
import { checkNames } from './checks.ts';
import type { WaitKeys } from './dependency.ts';
import { checkName } from './names.ts';

/** What {@link message} makes. `In` is what publishers give, `Out` what handlers receive. */
export interface MessageType<Name extends string = string, In = unknown, Out = unknown> {
  readonly name: Name;
  readonly schema: StandardSchemaV1<In, Out> | null;
  readonly version: number;
  orderBy?(data: Out): string;
  waitFor?(data: Out): WaitKeys;
  dedupe?(data: Out): string;
  upcast?(data: unknown, from: number): In;
}

export type InputOf<Type> = Type extends MessageType<string, infer In, infer _Out> ? In : never;
export type DataOf<Type> = Type extends MessageType<string, infer _In, infer Out> ? Out : never;

export interface MessageOptions<In, Out> {
  /**
   * Partition key. Messages with equal keys are processed one at a time in the order they were
   * published, per subscription, across all its types. Runs once, at publish, on parsed data.
   */
  readonly orderBy?: (data: Out) => string;
  /**
   * Facts that must hold before the message is processed; an array means all of them, `[]` none,
   * and `anyOf(…)` any of several.
   */
  readonly waitFor?: (data: Out) => WaitKeys;
  /**
   * Two publishes of this type with the same answer make one message, as long as the first is there
   * and for 7 days after it is done.
   */
  readonly dedupe?: (data: Out) => string;
  /**
   * Version of the schema. A worker that meets a newer one leaves the message for newer workers.
   * @defaultValue 1
   */
  readonly version?: number;
  /** Turns the body of an older version into the present schema's input. */
  readonly upcast?: (data: unknown, from: number) => In;
}

const optionNames = ['schema', 'orderBy', 'waitFor', 'dedupe', 'version', 'upcast'] as const;

/**
 * Defines a type of message. The name is its topic. The schema is any Standard Schema: data is
 * checked at publish and parsed at delivery, so that transforms run once, at the consumer.
 *
 * @throws MaloteError `DEFINITION_INVALID`, `OPTION_UNKNOWN` or `OPTION_INVALID`
 */
export function message<const Name extends string, Schema extends StandardSchemaV1>(
  name: Name,
  options: { readonly schema: Schema } & MessageOptions<
    StandardSchemaV1.InferInput<Schema>,
    StandardSchemaV1.InferOutput<Schema>
  >,
): MessageType<Name, StandardSchemaV1.InferInput<Schema>, StandardSchemaV1.InferOutput<Schema>>;
/** Without a schema the data is trusted as it comes: `message<{ id: string }>('order.placed')`. */
export function message<Data>(
  name: string,
  options?: MessageOptions<Data, Data>,
): MessageType<string, Data, Data>;
export function message(
  name: string,
  options: { readonly schema?: StandardSchemaV1 } & MessageOptions<unknown, unknown> = {},
): MessageType {
  const where = `message ${JSON.stringify(checkName(name, 'message name'))}`;
  checkNames(where, options, optionNames);
  const { schema = null, version = 1, ...functions } = options;
  if (!Number.isSafeInteger(version) || version < 1) {
    throw optionInvalid(`${where}: version`, 'a whole number from 1', version);
  }
  if (schema !== null && typeof schema?.['~standard']?.validate !== 'function') {
    throw new MaloteError(
      'DEFINITION_INVALID',
      `${where}: schema must be a Standard Schema, such as one of zod, valibot or arktype`,
    );
  }
  for (const [option, value] of Object.entries(functions)) {
    if (value !== undefined && typeof value !== 'function') {
      throw optionInvalid(`${where}: ${option}`, 'a function', value);
    }
  }
  return Object.freeze({ name, schema, version, ...functions });
}

/** For callers without a compiler. */
export function isMessageType(type: unknown): type is MessageType {
  return typeof type === 'object' && type !== null && 'schema' in type && 'version' in type;
}
