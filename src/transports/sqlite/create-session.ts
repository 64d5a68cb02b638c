/** Makes the {@link Session} of a connection: its statements, and its place in its household. */

import type { Host } from '../../transport/transport.ts';
import { wantsSeclusion } from './claim.ts';
import type { OpenedFile } from './file.ts';
import { createFileTime } from './file-time.ts';
import { enterHousehold } from './household.ts';
import { createLeaseBook } from './lease-book.ts';
import { createLedger } from './ledger.ts';
import { createNaming } from './naming.ts';
import type { Session } from './session.ts';
import { createStage } from './stage.ts';
import { coordinationTexts } from './statements/coordination.ts';
import { inboxTexts } from './statements/inbox.ts';
import { redriveTexts } from './statements/redrives.ts';
import { sessionTexts } from './statements/sessions.ts';
import { prepareAll } from './statements/sql.ts';
import { subscriptionTexts } from './statements/subscriptions.ts';
import { viewTexts } from './statements/views.ts';

/** @param schedule - asks for a turn of this session */
export function createSession(file: OpenedFile, host: Host, schedule: () => void): Session {
  const { db, identity } = file;
  const ledger = createLedger(db, host);
  const book = createLeaseBook();
  const session: Session = {
    id: 0,
    isRegistered: false,
    process: host.process,
    leaseMs: host.leaseMs,
    random: host.random,
    time: createFileTime(host.clock, host.leaseMs),
    ledger,
    book,
    rows: prepareAll(db, sessionTexts),
    registry: prepareAll(db, subscriptionTexts),
    views: prepareAll(db, viewTexts),
    redrives: prepareAll(db, redriveTexts),
    slots: prepareAll(db, coordinationTexts),
    inbox: prepareAll(db, inboxTexts),
    sources: new Map(),
    stage: createStage(db, file.driver, `sqlite file "${file.path}"`),
    consumers: [],
    events: ledger.events,
    lost: [],
    staged: [],
    reserved: new Map(),
    refusing: { serial: 0, full: new Set() },
    topologyVersion: -1,
    hasTold: true,
    naming: createNaming(),
    isBehind: false,
    lastChore: 0,
    // Last: once it is a member others look at it.
    household: enterHousehold(`${host.process} ${identity}`, {
      out: () => book.out,
      wantsIt: () => wantsSeclusion(session),
      schedule,
    }),
  };
  return session;
}
