/**
 * This process at the file: its identity, its ledger, its leases and its consumers. One object that
 * the steps of a turn share.
 */

import type { EngineEvent, Outgoing } from '../../transport/transport.ts';
import type { Consumer, HeldLease } from './consumers.ts';
import type { FileTime } from './file-time.ts';
import type { Membership } from './household.ts';
import type { LeaseBook } from './lease-book.ts';
import type { Ledger } from './ledger.ts';
import type { Stage } from './stage.ts';
import type { coordinationTexts } from './statements/coordination.ts';
import type { inboxTexts } from './statements/inbox.ts';
import type { redriveTexts } from './statements/redrives.ts';
import type { sessionTexts } from './statements/sessions.ts';
import type { subscriptionTexts } from './statements/subscriptions.ts';
import type { viewTexts } from './statements/views.ts';
import type { Prepared } from './statements/sql.ts';
import type { Subscription } from './topology.ts';

export interface Staged {
  readonly outgoing: Outgoing;
  readonly serial: number;
}

/** Room that acks of this transaction have taken for what they publish, by subscription. */
export type Reserved = Map<Subscription, number>;

export interface Refusing {
  serial: number;
  /** Names of subscriptions. */
  readonly full: Set<string>;
}

/** How far messages are named, see `naming.ts`. */
export interface Naming {
  /** When it was last looked how far the sequence is. */
  at: number;
  /** Where it was then, and the time before. */
  next: number;
  until: number;
}

export interface Session {
  /** The primary key of its row in `ml_session`; 0 before its first turn. */
  id: number;
  isRegistered: boolean;
  /** Sessions with the same one die together. */
  readonly process: string;
  readonly household: Membership;
  readonly leaseMs: number;
  readonly random: () => number;
  readonly time: FileTime;
  readonly ledger: Ledger;
  readonly book: LeaseBook;
  readonly rows: Prepared<typeof sessionTexts>;
  readonly registry: Prepared<typeof subscriptionTexts>;
  readonly views: Prepared<typeof viewTexts>;
  readonly redrives: Prepared<typeof redriveTexts>;
  readonly slots: Prepared<typeof coordinationTexts>;
  readonly inbox: Prepared<typeof inboxTexts>;
  /** The numbers of the sources of receipts; empty again after a turn that failed. */
  readonly sources: Map<string, number>;
  /** Where functions of the caller run. */
  readonly stage: Stage;
  readonly consumers: Consumer[];
  /** What the host hears after the commit. */
  readonly events: EngineEvent[];
  /** Leases that ended without this process; to be told, whatever becomes of the turn. */
  readonly lost: HeldLease[];
  /** What the acks of this turn publish, by the number of the call. */
  readonly staged: Staged[];
  readonly reserved: Reserved;
  /** The batch of publishes that is being worked off, and where it found no room. */
  readonly refusing: Refusing;
  /** The version of the topology that the consumers were matched with. */
  topologyVersion: number;
  /** Its row says what it consumes. */
  hasTold: boolean;
  readonly naming: Naming;
  /** There are messages to name. */
  isBehind: boolean;
  /** The chore that was looked at last; they take turns. */
  lastChore: number;
}
