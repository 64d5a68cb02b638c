/** Facts that messages may wait for: a `dependency` is a kind of fact, a key names one of them. */

import { optionInvalid } from '../errors.ts';
import { checkKey, checkName } from './names.ts';

/** One fact, such as "customer 5 exists". Made by calling a {@link Dependency}. */
export interface DependencyKey<Name extends string = string> {
  readonly dependency: Name;
  readonly id: string;
}

export interface Dependency<Name extends string = string> {
  (id: string | number): DependencyKey<Name>;
  readonly dependencyName: Name;
}

/**
 * Names a kind of fact. `const customer = dependency('customer')`, then `customer('5')` is the
 * fact that messages wait for (`waitFor`), consumers open (`provides`) and anyone may open by hand
 * (`bus.fulfil`). A fact holds until it is revoked.
 *
 * @throws MaloteError `DEFINITION_INVALID` when the name is not allowed
 */
export function dependency<const Name extends string>(name: Name): Dependency<Name> {
  checkName(name, 'dependency name');
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
