/** What names may look like, decided once: they become rows, routing keys and labels elsewhere. */

import { MaloteError, show } from '../errors.ts';

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
/** Longest key, fact id, message id and dedupe key, in UTF-16 units. */
export const maxKeyLength = 512;

/** Names of message types, subscriptions and dependencies. */
export function checkName(name: unknown, where: string): string {
  if (typeof name === 'string' && namePattern.test(name)) {
    if (!name.startsWith('malote.')) return name;
    throw new MaloteError(
      'DEFINITION_INVALID',
      `${where} must not begin with "malote.", which malote keeps for itself, got ${show(name)}`,
    );
  }
  throw new MaloteError(
    'DEFINITION_INVALID',
    `${where} must be 1 to 128 letters, digits, ".", "_" or "-", got ${show(name)}`,
  );
}

/** Keys and ids that come with the data: any text, but not empty and not long. */
export function checkKey(key: unknown, where: string): string {
  if (typeof key === 'string' && key.length > 0 && key.length <= maxKeyLength) {
    // Half a surrogate pair has no spelling in UTF-8: two such keys would become one.
    if (key.isWellFormed()) return key;
    throw new MaloteError('DATA_INVALID', `${where} must be well-formed text, got ${show(key)}`);
  }
  const got = typeof key === 'string' ? `${key.length} characters` : show(key);
  throw new MaloteError(
    'DATA_INVALID',
    `${where} must be a text of 1 to ${maxKeyLength} characters, got ${got}`,
  );
}
