/** Facts that messages may wait for: a `dependency` is a kind of fact, a key names one of them. */

import { optionInvalid } from '../errors.ts';
import { checkNames } from './checks.ts';
import { checkKey, checkName } from './names.ts';
import { anyNeedOf, type Need } from './need.ts';
import { keepProbe, type Probe } from './probe.ts';

/** One fact, such as "customer 5 exists". Made by calling a {@link Dependency}. */
export interface DependencyKey<Name extends string = string> {
  readonly dependency: Name;
  readonly id: string;
}

export interface Dependency<Name extends string = string> {
  (id: string | number): DependencyKey<Name>;
  readonly dependencyName: Name;
}

export interface DependencyOptions {
  /**
   * Says which of these facts hold although malote was never told: of customers, say, who are older
   * than it. Asked when a message waits, and again every minute as long as it does; what it answers
   * counts as fulfilled. Given up after 30 s. What it throws is told as `probe-failed`.
   */
  readonly probe?: Probe;
}

/**
 * Names a kind of fact. `const customer = dependency('customer')`, then `customer('5')` is the
 * fact that messages wait for (`waitFor`), consumers open (`provides`) and anyone may open by hand
 * (`bus.fulfil`). A fact holds until it is revoked.
 *
 * @throws MaloteError `DEFINITION_INVALID` when the name is not allowed
 * @throws MaloteError `OPTION_UNKNOWN`, `OPTION_INVALID`
 */
export function dependency<const Name extends string>(
  name: Name,
  options: DependencyOptions = {},
): Dependency<Name> {
  checkName(name, 'dependency name');
  const where = `dependency "${name}"`;
  checkNames(where, options, ['probe']);
  const { probe } = options;
  if (probe !== undefined && typeof probe !== 'function') {
    throw optionInvalid(`${where}: probe`, 'a function', probe);
  }
  keepProbe(name, probe);
  const keyOf = (id: string | number): DependencyKey<Name> => ({
    dependency: name,
    id: checkKey(typeof id === 'number' ? String(id) : id, `id of dependency "${name}"`),
  });
  return Object.assign(keyOf, { dependencyName: name });
}

/** The one spelling of a fact that engines see. The name holds no colon, so it is unambiguous. */
export function factOf(key: DependencyKey): string {
  if (typeof key?.dependency !== 'string' || typeof key.id !== 'string') {
    throw optionInvalid('a fact', "made by calling a dependency, such as customer('5')", key);
  }
  return `${key.dependency}:${key.id}`;
}

export function factsOf(keys: DependencyKeys): readonly string[] {
  if (keys === undefined) return [];
  if (!Array.isArray(keys)) return [factOf(keys as DependencyKey)];
  return [...new Set((keys as readonly DependencyKey[]).map(factOf))];
}

/** None, one, or all of several. */
export type DependencyKeys = DependencyKey | readonly DependencyKey[] | undefined;

/** Several facts any of which will do. Made by {@link anyOf}. */
export interface AnyOf {
  readonly anyOf: readonly DependencyKey[];
}

/** What a message may wait for: a fact, any of several, or all of a list of those. */
export type WaitKeys = DependencyKey | AnyOf | readonly (DependencyKey | AnyOf)[];

/**
 * Any of these facts will do: `waitFor: (p) => anyOf(customer(p.customerId), guest(p.session))`.
 *
 * @throws MaloteError `OPTION_INVALID` without a fact, or for what is none
 */
export function anyOf(...keys: readonly DependencyKey[]): AnyOf {
  if (keys.length === 0) throw optionInvalid('anyOf', 'given one or more facts', keys);
  for (const key of keys) factOf(key);
  return { anyOf: keys };
}

export function needsOf(keys: WaitKeys): readonly Need[] {
  if (!Array.isArray(keys)) return [needOf(keys as DependencyKey | AnyOf)];
  return [...new Set((keys as readonly (DependencyKey | AnyOf)[]).map(needOf))];
}

function needOf(key: DependencyKey | AnyOf): Need {
  const isAny = typeof key === 'object' && key !== null && 'anyOf' in key;
  return isAny ? anyNeedOf(key.anyOf.map(factOf)) : factOf(key);
}
