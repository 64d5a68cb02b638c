/**
 * Publishes inside a transaction that the caller began on another connection to the same file, and
 * will end. Rows go straight to where the consumers look; nothing is visible before the commit.
 *
 * Each connection gets its own statements and its own view of the topology, which ends with the
 * connection. What the caller rolls back must leave no trace in them.
 */

import { realpathSync } from 'node:fs';
import { MaloteError } from '../../errors.ts';
import type {
  EngineEvent,
  Host,
  Join,
  Outgoing,
  PublishOutcome,
} from '../../transport/transport.ts';
import { isOpen } from './connection.ts';
import { adopt } from './adopt-connection.ts';
import type { CallerTransaction, Connection } from './driver.ts';
import { isFatal, isInvalidState, toMaloteError } from './driver-errors.ts';
import { identityOf, type OpenedFile } from './file.ts';
import type { FileGuard } from './file-guard.ts';
import { believed } from './file-time.ts';
import {
  closeLedger,
  createLedger,
  dropLedger,
  flush,
  type Ledger,
  type LedgerHost,
  openLedger,
  type Wait,
} from './ledger.ts';
import { nobody } from './place.ts';
import { publishOne } from './publish.ts';
import type { Session } from './session.ts';

export interface JoinOptions {
  readonly file: OpenedFile;
  readonly guard: FileGuard;
  readonly where: string;
  readonly host: LedgerHost & Pick<Host, 'clock'>;
  check(): void;
  /** Called once the caller's transaction seems to be over, with the waits it may have begun. */
  ended(waits: readonly Wait[]): void;
}

/** How often the end of the caller's transaction is looked for, first by turns, then by time. */
const watchedTurns = 8;
const watchMs = [1, 2, 4, 8, 16, 32] as const;
/** How often, after that, while there are waits to be told. */
const longWatchMs = 100;

export function createJoin(options: JoinOptions): Join<CallerTransaction> {
  const { file, where } = options;
  const { clock } = options.host;
  const ledgers = new WeakMap<Connection, Ledger>();
  /** Transactions whose end is looked for, with what is to be told then. */
  const watched = new WeakMap<Connection, Wait[]>();

  function ledgerOf(tx: Connection): Ledger {
    const known = ledgers.get(tx);
    if (known !== undefined) return known;
    requireSameFile(tx, file, where);
    const ledger = createLedger(tx, options.host);
    ledgers.set(tx, ledger);
    return ledger;
  }

  /** A connection that was closed and opened again needs new statements: the old ones are over. */
  function publishAnew(tx: Connection, batch: readonly Outgoing[]): PublishOutcome[] {
    const now = believed(clock);
    const isKnown = ledgers.has(tx);
    try {
      return publishIn(tx, { ledger: ledgerOf(tx), batch, now });
    } catch (error) {
      if (!isInvalidState(error)) throw error;
      ledgers.delete(tx);
      if (!isKnown || !isOpen(tx)) throw transactionRequired(where);
      return publishIn(tx, { ledger: ledgerOf(tx), batch, now });
    }
  }

  function publishWatched(tx: Connection, batch: readonly Outgoing[]): PublishOutcome[] {
    const outcomes = publishAnew(tx, batch);
    if (!watched.has(tx)) {
      watched.set(tx, []);
      setImmediate(() => watch(tx, 0));
    }
    watched.get(tx)!.push(...ledgerOf(tx).waits);
    return outcomes;
  }

  /**
   * The poll of the file finds the messages that this misses, as a transaction stays open for long.
   */
  function watch(tx: Connection, tries: number): void {
    const waits = watched.get(tx) ?? [];
    if (!isOpen(tx)) {
      watched.delete(tx);
      options.ended(waits);
    } else if (tries < watchedTurns) {
      setImmediate(() => watch(tx, tries + 1));
    } else {
      const ms = watchMs[tries - watchedTurns] ?? (waits.length > 0 ? longWatchMs : undefined);
      if (ms === undefined) watched.delete(tx);
      else clock.setTimer(() => watch(tx, tries + 1), ms).unref();
    }
  }

  return {
    isOpen(tx) {
      const connection = file.driver.adopt(tx);
      return connection !== null && isOpen(connection);
    },
    publish(tx, batch) {
      options.check();
      const connection = adopt(tx, file.driver, where);
      if (!isOpen(connection)) throw transactionRequired(where);
      try {
        options.guard.check();
        return publishWatched(connection, batch);
      } catch (error) {
        if (isFatal(error)) options.ended([]);
        throw toMaloteError(error, where);
      }
    },
  };
}

/** All of the batch or, after an error, none of it; the caller's transaction goes on. */
function publishIn(
  tx: Connection,
  joining: { readonly ledger: Ledger; readonly batch: readonly Outgoing[]; readonly now: number },
): PublishOutcome[] {
  const { ledger, batch, now } = joining;
  tx.exec('savepoint malote');
  try {
    openLedger(ledger, now);
    const outcomes = batch.map((outgoing) => publishOne(ledger, outgoing, nobody));
    flush(ledger);
    closeLedger(ledger);
    tx.exec('release malote');
    // Whether it comes to pass is up to the caller's commit, see `waitsOf`.
    ledger.events.length = 0;
    return outcomes;
  } catch (error) {
    dropLedger(ledger);
    if (isOpen(tx)) tx.exec('rollback to malote; release malote');
    throw error;
  }
}

/** Which of the waits that were begun in a transaction of a caller are in the file. */
export function waitsOf({ ledger }: Session, begun: readonly Wait[]): EngineEvent[] {
  const isThere = ({ lane, event }: Wait): boolean =>
    ledger.facts.waitingHead.get(lane)?.[5] === event.id;
  return begun.filter(isThere).map(({ event }) => event);
}

function requireSameFile(tx: Connection, file: OpenedFile, where: string): void {
  const location = tx.location();
  if (location !== null && location !== '') {
    const real = realpathSync.native(location);
    if (real === file.path && identityOf(real) === file.identity) return;
  }
  throw new MaloteError(
    'ENGINE_MISMATCH',
    `tx must be a connection to the ${where}, got one to ${location ?? 'memory'}; ` +
      'open it on the same file, or publish without tx',
  );
}

function transactionRequired(where: string): MaloteError {
  return new MaloteError(
    'TRANSACTION_REQUIRED',
    `tx must be inside a transaction on the ${where}, got one that has not begun or is over; ` +
      'run "begin immediate" on it first',
  );
}
