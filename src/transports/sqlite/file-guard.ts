/**
 * Notices that the path means another file by now, or none: it was deleted, moved, or a backup was
 * put in its place. SQLite would go on with a file that nobody finds any more, and everything
 * accepted since would be lost.
 *
 * A look takes 2.5 µs, so it is taken once in a millisecond. What was accepted between the last
 * look and the disaster is where the old file is.
 */

import type { Clock } from '../../clock.ts';
import { MaloteError } from '../../errors.ts';
import { identityOf, type OpenedFile } from './file.ts';

export interface FileGuard {
  /** Throws `ENGINE_GONE`. */
  check(): void;
}

const everyMs = 1;

export function createFileGuard({ path, identity }: OpenedFile, clock: Clock): FileGuard {
  let lookedAt = Number.NEGATIVE_INFINITY;
  return {
    check() {
      const now = clock.monotonic();
      if (now - lookedAt < everyMs) return;
      const found = lookAt(path);
      if (found !== undefined && found !== identity) throw gone(path, found);
      lookedAt = now;
    },
  };
}

/** Undefined where the look fails, for example for want of rights: that says nothing. */
function lookAt(path: string): string | null | undefined {
  try {
    return identityOf(path);
  } catch {
    return undefined;
  }
}

function gone(path: string, found: string | null): MaloteError {
  const what = found === null ? 'there is none any more' : 'another one is in its place';
  return new MaloteError(
    'ENGINE_GONE',
    `sqlite file "${path}" must be the one that was opened, and ${what}; stop its processes ` +
      'before a file is moved, restored or deleted, then start them again',
  );
}
