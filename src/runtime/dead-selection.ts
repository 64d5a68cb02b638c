/** Which dead letters are meant, as users write it. */

import { optionInvalid } from '../errors.ts';
import { checkNames, oneOf, whole } from '../message/checks.ts';
import { type Duration, toMs } from '../message/duration.ts';
import { type DeadReason, deadReasons } from '../message/life.ts';
import type { DeadFilter } from '../transport/dead-filter.ts';
import type { RedriveQuery } from '../transport/store.ts';

/** All that is given must match. */
export interface DeadSelection {
  /** Its type's name, or one of several. */
  readonly type?: string | readonly string[];
  readonly reason?: DeadReason | readonly DeadReason[];
  /** The name of its last failure, such as `CardDeclined`. */
  readonly failure?: string;
  /** The key that `orderBy` made. */
  readonly key?: string;
  /** It died then, or so long ago, or later. */
  readonly since?: Date | Duration;
  /** It died before then, or longer ago. */
  readonly until?: Date | Duration;
}

export interface RedriveSelection extends DeadSelection {
  readonly subscription: string;
  /**
   * Stops when as many are back, in the order of `list`. A key that a dead letter holds shut goes
   * back whole, though it makes them more. @defaultValue no limit
   */
  readonly limit?: number;
}

export const selectionNames = ['type', 'reason', 'failure', 'key', 'since', 'until'] as const;

/** Null where everything is meant. @param now - what a duration is counted back from */
export function filterOf(where: string, given: DeadSelection, now: number): DeadFilter | null {
  const { type, reason, failure, key, since, until } = given;
  const filter: DeadFilter = {
    ...(type === undefined ? {} : { topics: textsOf(`${where}: type`, type) }),
    ...(reason === undefined ? {} : { reasons: reasonsOf(`${where}: reason`, reason) }),
    ...(failure === undefined ? {} : { failure: textOf(`${where}: failure`, failure) }),
    ...(key === undefined ? {} : { key: textOf(`${where}: key`, key) }),
    ...(since === undefined ? {} : { since: timeOf(`${where}: since`, since, now) }),
    ...(until === undefined ? {} : { until: timeOf(`${where}: until`, until, now) }),
  };
  return Object.keys(filter).length === 0 ? null : filter;
}

export function redriveQuery(
  which: string | readonly string[] | RedriveSelection,
  now: number,
): RedriveQuery & { readonly subscription: string | null } {
  const where = 'dead.redrive';
  if (typeof which === 'string') return { ids: [which], subscription: null };
  if (Array.isArray(which)) {
    for (const id of which) checkId(where, id);
    return { ids: which as readonly string[], subscription: null };
  }
  const given: Partial<RedriveSelection> = Object(which);
  checkNames(where, given, ['subscription', ...selectionNames, 'limit']);
  const { subscription, limit } = given;
  if (typeof subscription !== 'string') {
    throw optionInvalid(where, 'an id, a list of ids, or { subscription }', which);
  }
  const only = filterOf(where, given, now);
  return {
    all: true,
    subscription,
    ...(only === null ? {} : { only }),
    ...(limit === undefined ? {} : { limit: whole(`${where}: limit`, limit, [1, 1e12]) }),
  };
}

export function checkId(where: string, id: unknown): void {
  if (typeof id !== 'string') throw optionInvalid(`${where}: id`, "a message's id", id);
}

function textOf(where: string, value: unknown): string {
  if (typeof value === 'string') return value;
  throw optionInvalid(where, 'a text', value);
}

function textsOf(where: string, value: string | readonly string[]): readonly string[] {
  const texts: readonly string[] = Array.isArray(value) ? value : [value];
  if (texts.length === 0) throw optionInvalid(where, 'one or several', value);
  return texts.map((text) => textOf(where, text));
}

function reasonsOf(where: string, value: DeadReason | readonly DeadReason[]): DeadReason[] {
  return textsOf(where, value).map((one) => oneOf(where, one as DeadReason, deadReasons));
}

function timeOf(where: string, value: Date | Duration, now: number): number {
  if (!(value instanceof Date)) return now - toMs(value, where);
  const at = value.getTime();
  if (!Number.isNaN(at)) return at;
  throw optionInvalid(where, 'a Date, or a duration for so long ago', value);
}
