/**
 * When turns happen, and what is told when one is over.
 *
 * Calls gather until the event loop comes round; then all of them go in one transaction. A file
 * that another process writes at that moment gives the turn back at once: the loop never waits
 * for a lock, it tries again in about a millisecond. What is still waiting is refused when no turn
 * has come about for a lease: not what waits for its turn while others are worked off.
 *
 * A turn is bounded by the number of its operations (see `pace.ts`), and by the clock, for when
 * they take longer than the last ones did: on a file that is not in memory, or where functions of
 * the caller take their time.
 */

import type { Timer } from '../../clock.ts';
import type { MaloteError } from '../../errors.ts';
import type { Host, Lease } from '../../transport/transport.ts';
import { type Agenda, earliest, nothingKnown } from './agenda.ts';
import type { Consumer, HeldLease } from './consumers.ts';
import { isBusy, isConstraint, isFatal, toMaloteError } from './driver-errors.ts';
import { EndedByEffect, spoiledCommit } from './effects.ts';
import { callsOf, createStandstill, expireCalls, failTouched, failureOf } from './failing.ts';
import { wantsMore } from './claim.ts';
import { dropLedger } from './ledger.ts';
import { createPace } from './pace.ts';
import type { Session } from './session.ts';
import { type Intake, type TurnResult, workTurn } from './turn.ts';
import { createWakeUps } from './wake-ups.ts';
import { createWatch } from './watch.ts';

/** What the loop needs of a connection. */
export interface LoopConnection {
  exec(sql: string): unknown;
  readonly isTransaction: boolean;
}

export interface LoopOptions {
  readonly session: Session;
  readonly intake: Intake;
  readonly db: LoopConnection;
  readonly host: Pick<Host, 'clock' | 'notify'>;
  readonly where: string;
  /** Asks whether another connection changed the file. */
  readonly dataVersion: () => number;
  /** Called after the first commit: the session has its row from here on. */
  registered(): void;
  /** Called when another connection was in the way of a turn. */
  busy(): void;
  /** Called once, when there are no more turns because of this. */
  failed(error: MaloteError): void;
  /** Called after a commit that made something ready for others. */
  ring(): void;
  /** Called now and then with the other sessions of the file. */
  met(peers: readonly number[]): void;
  /** Begins a transaction that writes, or throws. */
  begin(): void;
  /** Called after every turn that was committed. */
  turned(): void;
  /** Nobody waits for this connection any more but the one who closes it. */
  isClosing(): boolean;
}

export interface Loop {
  /** Something was called, granted or heard. */
  schedule(): void;
  /** What is due may have changed, because there is a new consumer. */
  look(): void;
  /** Another process is known to be dead. */
  peerGone(session: number): void;
  /** By when a call that is made now must be in the file. Schedule first. */
  deadlineAt(): number;
  /** Keeps the process alive as long as there is a consumer. */
  hold(hasConsumers: boolean): void;
  /** No more turns; calls that wait reject. */
  stop(error: MaloteError): void;
  /** Why there are no more turns; null while there are. */
  readonly ended: MaloteError | null;
}

const failedAgainMs = 100;
const busyMs = 0.5;

export function createLoop(options: LoopOptions): Loop {
  const { session, intake, db, where, host } = options;
  const { clock } = host;
  const { ledger, book, consumers } = session;
  const everyCall = callsOf(intake);
  const gone = new Set<number>();
  const pace = createPace();
  const standstill = createStandstill(intake, { clock, leaseMs: session.leaseMs });
  const wakeUps = createWakeUps(clock, { ring: schedule, look });
  let agenda: Agenda = nothingKnown;
  let isScheduled = false;
  let ended: MaloteError | null = null;
  let again: Timer | null = null;
  let seenVersion = options.dataVersion();
  /** Of the calls that gather for the next turn. */
  let deadlineAt = 0;

  function schedule(): void {
    if (isScheduled || ended !== null) return;
    isScheduled = true;
    deadlineAt = clock.monotonic() + session.leaseMs;
    setImmediate(run);
  }

  function run(): void {
    isScheduled = false;
    if (ended !== null) return;
    if (!hasWork()) return arm();
    const result = transact();
    if (result === null) return;
    standstill.end();
    agenda = result.agenda;
    if (!session.isRegistered) {
      session.isRegistered = true;
      options.registered();
    }
    gone.clear();
    for (const calls of everyCall) calls.commit();
    const leases = book.touched.length > 0 ? suspectsBack(book.touched) : null;
    book.commit();
    if (ledger.stirred) options.ring();
    if (result.peers !== null) options.met(result.peers);
    const left = ledger.hasChores || session.isBehind || everyCall.some((calls) => !calls.isEmpty);
    const more = left || wantsMore(session);
    if (more) schedule();
    else arm();
    if (leases !== null) for (const consumer of leases) consumer.suspects -= 1;
    tell();
    if (ended === null) options.turned();
  }

  /** The turn's transaction; null when it failed, and everything is as if it had not been tried. */
  function transact(): TurnResult | null {
    let isCommitting = false;
    try {
      options.begin();
      const startedAt = clock.monotonic();
      book.begin();
      const result = workTurn(session, intake, { pace, agenda, gone, watch: createWatch(clock) });
      pace.worked(clock.monotonic() - startedAt, result.operations);
      isCommitting = true;
      db.exec('commit');
      return result;
    } catch (error) {
      giveUp(isCommitting ? causeOf(error) : error, isCommitting);
      return null;
    }
  }

  /** Of a commit that failed. malote itself defers no constraint. */
  function causeOf(error: unknown): unknown {
    const effects = session.stage.done.length;
    if (effects === 0 || !isConstraint(error)) return error;
    pace.spoiled(effects);
    return spoiledCommit(session.stage, error);
  }

  function giveUp(error: unknown, isCommitting: boolean): void {
    const named = toMaloteError(error, where);
    const busy = isBusy(error) || error instanceof EndedByEffect;
    try {
      if (db.isTransaction) db.exec('rollback');
    } catch (second) {
      if (!isFatal(error)) return end(toMaloteError(second, where));
    }
    dropLedger(ledger);
    if (!session.isRegistered) session.id = 0;
    book.rollback();
    session.events.length = 0;
    session.sources.clear();
    session.hasTold = false;
    const hasFailedSome = !busy && failTouched(intake, failureOf(named, isCommitting));
    for (const calls of everyCall) calls.rollback();
    tellLost();
    // The others of the turn had no part in it: without the one that ended it they go again.
    if (error instanceof EndedByEffect) return schedule();
    if (!busy && isFatal(error)) return end(named);
    standstill.begin();
    if (!busy) return tryAgain(named, hasFailedSome);
    standstill.expire(named);
    // What is called meanwhile waits with the others: the file is no freer for it.
    isScheduled = true;
    deadlineAt = clock.monotonic() + session.leaseMs;
    clock.setTimer(run, busyMs + session.random());
    options.busy();
  }

  /** After a failure that may pass; the host hears of one that no call was told of. */
  function tryAgain(error: MaloteError, isTold: boolean): void {
    if (!isTold) {
      // Who closes does not wait for a file that is broken.
      if (options.isClosing()) expireCalls(intake, Number.POSITIVE_INFINITY, error);
      else standstill.expire(error);
      const { code, message } = error;
      if (!standstill.isTold) host.notify({ kind: 'engine-trouble', code, message });
      standstill.isTold = true;
    }
    again?.cancel();
    if (ended !== null) return;
    again = clock.setTimer(schedule, failedAgainMs);
    // Whoever still waits for an answer keeps the process alive: a stop has to settle.
    if (everyCall.every((calls) => calls.isEmpty)) again.unref();
  }

  function end(error: MaloteError): void {
    if (ended !== null) return;
    stop(error);
    options.failed(error);
  }

  function stop(error: MaloteError): void {
    if (ended !== null) return;
    ended = error;
    again?.cancel();
    wakeUps.stop();
    for (const calls of everyCall) calls.failAll(error);
  }

  /** Everything that others hear of a committed turn. The next turn is arranged for by now. */
  function tell(): void {
    tellLost();
    const events = session.events.splice(0);
    for (const consumer of consumers) {
      // Who hears of one thing may end the connection before the next.
      if (ended === null) deliver(consumer);
    }
    for (const event of events) host.notify(event);
  }

  function deliver(consumer: Consumer): void {
    const { found, sink } = consumer;
    const { lanes, loose } = found;
    const count = lanes.length + loose.length;
    consumer.drainedAt = found.isDrained ? ledger.sequence : -1;
    if (count === 0) return;
    consumer.credit -= count;
    consumer.suspects += found.suspects;
    const batch =
      lanes.length === 0
        ? loose.slice()
        : loose.length === 0
          ? lanes.slice()
          : [...loose, ...lanes];
    let bytes = 0;
    for (const { body } of batch) bytes += body.length;
    pace.delivered(count, bytes);
    lanes.length = 0;
    loose.length = 0;
    sink.deliver(batch);
  }

  function tellLost(): void {
    const byConsumer = new Map<Consumer, Lease[]>();
    for (const { consumer, id } of session.lost.splice(0)) {
      const leases = byConsumer.get(consumer) ?? [];
      leases.push({ id, token: id });
      byConsumer.set(consumer, leases);
    }
    for (const [{ sink }, leases] of byConsumer) sink.lost(leases);
  }

  function hasWork(): boolean {
    if (
      gone.size > 0 ||
      ledger.hasChores ||
      session.isBehind ||
      !session.hasTold ||
      session.time.now() >= earliest(agenda)
    )
      return true;
    if (everyCall.some((calls) => !calls.isEmpty)) return true;
    return consumers.some(({ credit, isStopped: hasStopped }) => credit > 0 && !hasStopped);
  }

  function arm(): void {
    wakeUps.expect(earliest(agenda), session.time.now());
  }

  function look(): void {
    try {
      const version = options.dataVersion();
      if (version === seenVersion) return;
      seenVersion = version;
    } catch (error) {
      if (isBusy(error)) return;
      return end(toMaloteError(error, where));
    }
    ledger.hasChores = true;
    agenda = { ...agenda, dueAt: 0 };
    schedule();
  }

  return {
    schedule,
    stop,
    peerGone(peer) {
      gone.add(peer);
      schedule();
    },
    deadlineAt: () => deadlineAt,
    get ended() {
      return ended;
    },
    hold: wakeUps.hold,
    look() {
      agenda = { ...agenda, dueAt: 0 };
      schedule();
    },
  };
}

/** The consumers whose suspects were settled, once for each. */
function suspectsBack(touched: readonly HeldLease[]): readonly Consumer[] | null {
  let back: Consumer[] | null = null;
  for (const lease of touched) {
    if (lease.ended && lease.kind === 'lane' && lease.level > 0) (back ??= []).push(lease.consumer);
  }
  return back;
}
