/**
 * Sessions live, expire and are taken over.
 *
 * A take-over is one transaction: it counts what the dead session held, gives every lane back with
 * its head's attempt spent, makes a lane of its own of every loose message that was out, and
 * deletes the session's row. Whoever finds its own row gone has lost everything it held.
 *
 * Who died beside others may be innocent and becomes a suspect (see `Suspicion`). Only what was the
 * single message out, in all sessions of its process, is held against it. A lane's messages run one
 * after the other, but acks travel later than handlers end: any of those that were out may have
 * been the one that ran. So all of them are suspects from now on, and come one by one; only the
 * head is certain to have started.
 */

import { laneFlag, laneState, mark, readyState, ticksOf } from './layout.ts';
import { type Ledger, tallyOf } from './ledger.ts';
import { goOn } from './return.ts';
import type { Session } from './session.ts';
import { record } from './story.ts';
import type { Subscription } from './topology.ts';

/** Finds out whether this session's row is still there; if not, all is lost and it begins anew. */
export function checkFence(session: Session): void {
  const { rows, book, consumers, lost, ledger } = session;
  // Numbers are never used twice, so that a process that stood still cannot take another's row for
  // its own.
  if (session.id === 0) session.id = ++ledger.lease;
  else if (rows.alive.get(session.id) !== undefined) return;
  for (const consumer of consumers) consumer.suspects = 0;
  lost.push(...book.clear());
  session.hasTold = false;
  renew(session);
}

/** Writes down what this process consumes, for those who look. */
export function tellConsumed(session: Session): void {
  if (session.hasTold) return;
  const going = session.consumers.filter(({ isStopped }) => !isStopped);
  const names = JSON.stringify([...new Set(going.map(({ name }) => name))]);
  session.rows.tell.run(names, session.id);
  session.hasTold = true;
}

export function renew({ rows, id, ledger, leaseMs, process }: Session): void {
  rows.renew.run(id, ledger.now + leaseMs, process);
}

/** Takes over every session whose lease has ended, and those that are known to be dead. */
export function takeOverDead(session: Session, gone: Iterable<number>): void {
  const { rows, ledger, id } = session;
  if (session.time.sessionDoubtMs() === 0) {
    for (const [expired] of rows.expired.all(ledger.now, id)) takeOver(session, expired);
  }
  for (const peer of gone) {
    if (rows.alive.get(peer) !== undefined) takeOver(session, peer);
  }
}

/** A lane that was leased, and what of it was out. */
interface LeftLane {
  readonly lane: number;
  readonly subscription: number;
  readonly upto: number;
  readonly covered: number;
}

interface LeftBehind {
  readonly lanes: readonly LeftLane[];
  readonly loose: readonly (readonly [id: number, subscription: number])[];
}

function takeOver(session: Session, dead: number): void {
  const { rows, ledger, events } = session;
  const left = leftBehind(session, dead);
  const out = left.lanes.reduce((sum, { covered }) => sum + covered, left.loose.length);
  const isAlone = !isBesideOthers(session, dead, out) && out === 1;
  const counts = new Map<Subscription, number>();
  const count = (subscription: Subscription, messages: number): void => {
    counts.set(subscription, (counts.get(subscription) ?? 0) + messages);
    const tally = tallyOf(ledger, subscription);
    tally.leased -= messages;
    tally.ready += messages;
  };
  for (const lane of left.lanes) freeLane(session, lane, { isAlone, count });
  for (const [id, number] of left.loose) {
    const subscription = ledger.topology.byNumber.get(number);
    if (subscription === undefined) continue;
    freeLoose(ledger, { id, number, isAlone });
    count(subscription, 1);
  }
  rows.removeLeases.run(dead);
  rows.remove.run(dead);
  ledger.stirred = true;
  for (const [{ name }, messages] of counts) {
    if (messages > 0) events.push({ kind: 'taken-over', subscription: name, messages });
  }
}

/**
 * Whether other sessions of the same process held something. They are taken over one after the
 * other: the later ones are told of what this one held.
 */
function isBesideOthers({ rows }: Session, dead: number, out: number): boolean {
  const [process, beside] = rows.processOf.get(dead)!;
  if (out > 0) rows.besideDied.run(process, dead);
  return beside === 1 || rows.besideHolds.get(process, dead) !== undefined;
}

function leftBehind({ rows, ledger }: Session, dead: number): LeftBehind {
  const lanes = new Set<number>();
  const loose: [id: number, subscription: number][] = [];
  for (const [, subscription, lo, hi, listed] of rows.leasesOf.all(dead)) {
    if (listed === null) {
      for (const [id] of ledger.messages.looseBetween.all(lo, hi)) loose.push([id, subscription]);
      continue;
    }
    if (hi > 0) for (const [lane] of rows.lanesBetween.all(lo, hi, dead)) lanes.add(lane);
    for (const lane of JSON.parse(listed) as number[]) {
      const row = ledger.lanes.byNumber.get(lane);
      if (row !== undefined && row[3] === laneState.leased && row[5] === dead) lanes.add(lane);
    }
  }
  return { lanes: [...lanes].map((lane) => leftLane(ledger, lane)), loose };
}

function leftLane(ledger: Ledger, lane: number): LeftLane {
  const [subscription, , , , , , upto] = ledger.lanes.byNumber.get(lane)!;
  const [covered] = ledger.messages.countUpTo.get(lane, upto)!;
  return { lane, subscription, upto, covered };
}

function freeLane(
  { ledger, rows }: Session,
  { lane, subscription: number, upto, covered }: LeftLane,
  {
    isAlone,
    count,
  }: {
    readonly isAlone: boolean;
    count(subscription: Subscription, messages: number): void;
  },
): void {
  const subscription = ledger.topology.byNumber.get(number);
  const head = ledger.messages.headOfLane.get(lane);
  if (head === undefined || subscription === undefined) {
    ledger.lanes.end.run(lane);
    return;
  }
  const [id, , attempt, marks] = head;
  if (covered > 1) rows.suspectBehind.run(lane, id, upto);
  const after = suspect(ledger, { id, attempt, marks, isAlone });
  ledger.messages.note.run(attempt + 1, after, id);
  goOn(ledger, lane);
  count(subscription, covered);
}

function freeLoose(
  ledger: Ledger,
  {
    id,
    number,
    isAlone,
  }: { readonly id: number; readonly number: number; readonly isAlone: boolean },
): void {
  const marks = suspect(ledger, { id, attempt: 0, marks: 0, isAlone });
  ledger.messages.setAside.run(1, marks, id);
  const state = readyState(marks);
  ledger.lanes.add.run(
    id,
    number,
    0,
    null,
    0,
    state,
    ticksOf(ledger.now, id),
    null,
    0,
    laneFlag.none,
  );
}

/** Counts the crash against a message; answers its mark from now on. */
function suspect(
  ledger: Ledger,
  crashed: {
    readonly id: number;
    readonly attempt: number;
    readonly marks: number;
    readonly isAlone: boolean;
  },
): number {
  const { id, attempt, marks, isAlone } = crashed;
  const before = marks & mark.levels;
  const level = isAlone
    ? mark.alone
    : before === mark.alone
      ? before
      : Math.min(before + 1, mark.besideTwice);
  const detail = isAlone ? 'alone' : 'beside';
  record(ledger, id, { event: 'crashed', attempt: attempt + 1, detail });
  return level | (marks & mark.storied) | (ledger.keepsJournal ? mark.storied : 0);
}
