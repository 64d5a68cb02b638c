/**
 * What this session has to do by time alone. Each entry is a lower bound: a turn at that time looks
 * again. What other processes schedule is seen when the file changed, see `loop.ts`.
 */

import { lastTickOf, msOf } from './layout.ts';
import type { Session } from './session.ts';

export interface Agenda {
  /** Renew the session's row. */
  readonly renewAt: number;
  /** Another session may have expired. */
  readonly sessionsAt: number;
  /** A delayed message, a back-off or a deadline. */
  readonly dueAt: number;
}

/** Everything is to be looked at. */
export const nothingKnown: Agenda = { renewAt: 0, sessionsAt: 0, dueAt: 0 };

export function earliest({ renewAt, sessionsAt, dueAt }: Agenda): number {
  return Math.min(renewAt, sessionsAt, dueAt);
}

const never = Number.POSITIVE_INFINITY;

export function readAgenda(
  session: Session,
  done: {
    readonly agenda: Agenda;
    readonly isRenewal: boolean;
    readonly isTakeOver: boolean;
    readonly isDue: boolean;
  },
): Agenda {
  const { ledger, leaseMs, rows, id, time } = session;
  const { agenda, isRenewal, isTakeOver, isDue } = done;
  if (!isRenewal && !isTakeOver && !isDue && ledger.dueAt >= agenda.dueAt) return agenda;
  const looksAtSessions = isRenewal || isTakeOver;
  const nextEnd = looksAtSessions ? (rows.nextEnd.get(id)?.[0] ?? never) : never;
  const doubtEnds = ledger.now + time.sessionDoubtMs();
  return {
    renewAt: isRenewal ? ledger.now + leaseMs / 3 : agenda.renewAt,
    sessionsAt: looksAtSessions ? Math.max(nextEnd, doubtEnds) : agenda.sessionsAt,
    dueAt: isDue ? nextDueOf(session) : Math.min(agenda.dueAt, ledger.dueAt),
  };
}

function nextDueOf({ ledger, consumers }: Session): number {
  const { lanes, shelves } = ledger;
  const until = lastTickOf(ledger.now);
  let dueAt = Math.min(ledger.dueAt, shelves.nextDue.get()?.[0] ?? Number.POSITIVE_INFINITY);
  for (const { subscription } of consumers) {
    if (subscription === null) continue;
    const { number } = subscription;
    const rows = [
      lanes.nextReady.get(number, until),
      lanes.nextSuspect.get(number, until),
      lanes.nextSecluded.get(number, until),
      lanes.nextDeadline.get(number),
    ];
    for (const row of rows) if (row !== undefined) dueAt = Math.min(dueAt, msOf(row[0]));
  }
  return dueAt;
}
