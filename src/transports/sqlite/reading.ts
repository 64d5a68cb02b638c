/** Looks at the file between turns, each in a short transaction that reads. */

import { isFatal, toMaloteError } from './driver-errors.ts';
import { refresh } from './ledger.ts';
import type { Session } from './session.ts';

export interface Reading {
  readNow<Answer>(look: (session: Session) => Answer): Answer;
  /** The same, at once as well; rejects where that throws. */
  read<Answer>(look: (session: Session) => Answer): Promise<Answer>;
}

export function createReading(options: {
  readonly db: { exec(sql: string): void };
  readonly session: Session;
  readonly where: string;
  /** Throws when the connection is closed or broken. */
  check(): void;
  /** Looking has met what may be the end of the connection. */
  failed(): void;
}): Reading {
  const { db, session, where, check, failed } = options;

  function readNow<Answer>(look: (session: Session) => Answer): Answer {
    try {
      check();
      db.exec('begin');
      try {
        refresh(session.ledger);
        return look(session);
      } finally {
        db.exec('commit');
      }
    } catch (error) {
      // A turn finds out what it means.
      if (isFatal(error)) failed();
      throw toMaloteError(error, where);
    }
  }

  return {
    readNow,
    read: async (look) => readNow(look),
  };
}
