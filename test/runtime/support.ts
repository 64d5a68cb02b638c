/**
 * What the tests of the runtime share: a promise to be settled by hand, and codes of rejections.
 */
import assert from 'node:assert/strict';
import { MaloteError } from 'malote';

export interface ByHand {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

export function byHand(): ByHand {
  let settle = (): void => undefined;
  const promise = new Promise<void>((resolve) => (settle = resolve));
  return { promise, resolve: () => settle() };
}

export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof MaloteError, String(error));
    return error.code;
  }
  return 'nothing rejected';
}

export function codeThrown(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof MaloteError, String(error));
    return error.code;
  }
  return 'nothing thrown';
}
