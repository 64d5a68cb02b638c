/**
 * Claims one ready lane: reads its first messages, leases it under this session, and finds that its
 * head has to wait after all if a fact it needs does not hold.
 *
 * A message that was tried before is the last of its lease: so it never takes fresh ones down with
 * it, and a suspect is alone in its lease.
 */

import { type Need, noNeeds } from '../../message/need.ts';
import type { Lease, Suspicion } from '../../transport/transport.ts';
import type { Consumer, LaneBatch, LaneLease } from './consumers.ts';
import { lackingOf, startWaiting, waitingEvent } from './facts.ts';
import { laneFlag, laneState, mark, ticksOf } from './layout.ts';
import { type Ledger, tallyOf } from './ledger.ts';
import { parseFacts } from './need-text.ts';
import type { Session } from './session.ts';
import { stepAside } from './step-aside.ts';
import { listFacts, record, redrivenAt } from './story.ts';
import type { Subscription } from './topology.ts';

export type ReadyLane = readonly [
  lane: number,
  readyAt: number,
  name: string | null,
  cold: number,
  flags: number,
];

type Row = NonNullable<ReturnType<Ledger['messages']['ofLane']['get']>>;

export function claimLane(
  session: Session,
  consumer: Consumer,
  claim: { readonly lane: ReadyLane; readonly most: number },
): void {
  const { ledger } = session;
  const [lane, , name, cold, flags] = claim.lane;
  const subscription = consumer.subscription!;
  const rows = ledger.messages.ofLane.all(lane, claim.most);
  const head = rows[0];
  if (head === undefined) {
    ledger.lanes.end.run(lane);
    return;
  }
  const lacking = lackingFor(ledger, head);
  const deadlineAt = lacking === null ? 0 : deadlineOf(ledger, subscription, head);
  if (lacking !== null && ledger.now < deadlineAt) {
    wait(ledger, subscription, { lane, name, flags, head, lacking, deadlineAt });
    return;
  }
  const run = lacking === null ? runOf(ledger, rows) : [head];
  const last = run[run.length - 1]!;
  const statement = cold === 0 ? ledger.lanes.claim : ledger.lanes.claimCold;
  statement.run(session.id, last[0], lane);
  const tally = tallyOf(ledger, subscription);
  if ((flags & laneFlag.retrying) === 0) tally.ready -= run.length;
  else [tally.retrying, tally.ready] = [tally.retrying - 1, tally.ready - run.length + 1];
  tally.leased += run.length;
  consumer.found.claimed.push(lane);
  hold(session, consumer, { lane, name, run, lacking });
}

/** The row of `ml_lease` that this turn writes for the lanes of a consumer. */
export function batchOf(session: Session, consumer: Consumer): LaneBatch {
  const { found } = consumer;
  found.batch ??= { id: ++session.ledger.lease, left: 0 };
  found.batch.left += 1;
  return found.batch;
}

export function createLaneLease(
  consumer: Consumer,
  lease: Pick<LaneLease, 'id' | 'lane' | 'ids' | 'storied' | 'level' | 'batch' | 'deliveredAt'>,
): LaneLease {
  return {
    kind: 'lane',
    subscription: consumer.subscription!,
    consumer,
    touched: false,
    ended: false,
    next: 0,
    removed: 0,
    before: nothingBefore,
    ...lease,
  };
}

export function suspicionOf(marks: number): Suspicion {
  const level = marks & mark.levels;
  if (level === 0) return 'none';
  return level === mark.alone ? 'alone' : 'beside';
}

const nothingBefore = { next: 0, removed: 0 };
const noIds: readonly number[] = [];

function hold(
  session: Session,
  consumer: Consumer,
  claimed: {
    readonly lane: number;
    readonly name: string | null;
    readonly run: readonly Row[];
    readonly lacking: readonly Need[] | null;
  },
): void {
  const { ledger, book } = session;
  const { found, subscription } = consumer;
  const { lane, name, run, lacking } = claimed;
  const id = ++ledger.lease;
  const level = run[0]![2] & mark.levels;
  const storied = run.filter((row) => (row[2] & mark.storied) !== 0).map((row) => row[0]);
  const lease = createLaneLease(consumer, {
    id,
    lane,
    ids: run.map((row) => row[0]),
    storied: storied.length === 0 ? noIds : storied,
    level,
    batch: batchOf(session, consumer),
    deliveredAt: ledger.now,
  });
  book.add(lease);
  book.out += run.length;
  found.leases.push(lease);
  found.room -= run.length;
  if (level > 0) found.suspects += 1;
  const handle: Lease = { id, token: id };
  for (const row of run) {
    const [tag, attempt, marks, acceptedAt, topic, messageId, headers, , key, body] = row;
    found.lanes.push({
      lease: handle,
      subscription: subscription!.name,
      id: messageId,
      topic: ledger.topology.topicByNumber.get(topic)!.name,
      body,
      headers,
      key: key ?? name,
      acceptedAt,
      attempt: attempt + 1,
      suspicion: suspicionOf(marks),
      waitTimedOut: lacking !== null,
      lacking: lacking ?? noNeeds,
      tag,
    });
  }
}

/** The messages from the head on that may be out together. */
function runOf(ledger: Ledger, rows: readonly Row[]): readonly Row[] {
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index]!;
    if (index > 0 && ((row[2] & mark.levels) !== 0 || lackingFor(ledger, row) !== null)) {
      return rows.slice(0, index);
    }
    if (row[1] > 0) return rows.slice(0, index + 1);
  }
  return rows;
}

function lackingFor(ledger: Ledger, row: Row): string[] | null {
  const facts = row[7];
  return facts === null ? null : lackingOf(ledger, parseFacts(facts));
}

function deadlineOf(ledger: Ledger, subscription: Subscription, row: Row): number {
  const [id, , marks, acceptedAt] = row;
  const since = (marks & mark.storied) === 0 ? null : redrivenAt(ledger, id);
  return (since ?? acceptedAt) + subscription.waitingDeadlineMs;
}

function wait(
  ledger: Ledger,
  subscription: Subscription,
  waiting: {
    readonly lane: number;
    readonly name: string | null;
    readonly flags: number;
    readonly head: Row;
    readonly lacking: readonly string[];
    readonly deadlineAt: number;
  },
): void {
  const { lane, name, flags, head, lacking, deadlineAt } = waiting;
  const [id, attempt, marks, , , , , facts] = head;
  const leaves = subscription.overtakes && name !== null;
  const own = leaves ? stepAside(ledger, subscription, { id, lane, deadlineAt }) : lane;
  startWaiting(ledger, own, parseFacts(facts), deadlineAt);
  ledger.events.push(waitingEvent(subscription, head[5], lacking));
  if (!leaves) {
    ledger.lanes.giveBackAt.run(laneState.waiting, ticksOf(deadlineAt), laneFlag.none, 1, lane);
    ledger.anyCold = true;
  }
  const tally = tallyOf(ledger, subscription);
  if ((flags & laneFlag.retrying) === 0) tally.ready -= 1;
  else tally.retrying -= 1;
  tally.waiting += 1;
  if (!ledger.keepsJournal) return;
  ledger.messages.note.run(attempt, marks | mark.storied, id);
  record(ledger, id, { event: 'parked', attempt: attempt + 1, detail: listFacts(lacking) });
}
