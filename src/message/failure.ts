/**
 * Errors as they are kept with a message: the stack and the cause stay behind, lengths are bounded.
 */

import type { Failure } from './life.ts';

const maxNameLength = 200;
const maxMessageLength = 4_000;

/** Of anything that was thrown: an error, null, a proxy that throws when it is looked at. */
export function failureOf(error: unknown): Failure {
  try {
    if (error instanceof Error) {
      return { name: cut(String(error.name), maxNameLength), message: cut(String(error.message)) };
    }
    return { name: 'Thrown', message: cut(String(error)) };
  } catch {
    return { name: 'Thrown', message: 'an error that cannot be shown' };
  }
}

/** A reason that a handler gave, whatever it gave for it. */
export function reasonOf(given: unknown): string {
  return typeof given === 'string' ? cut(given) : failureOf(given).message;
}

function cut(text: string, length: number = maxMessageLength): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

/** Whether to wait for it. What only looks like a promise is an answer like any other. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if (typeof value !== 'object' || value === null) return false;
  return typeof (value as { readonly then?: unknown }).then === 'function';
}
