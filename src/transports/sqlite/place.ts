/**
 * Where an accepted message goes in one subscription: to the end of its lane, into a lane of its
 * own, or among the loose ones; and whether a consumer of this process takes it at once.
 *
 * Handing over at once (`Taker`) is the fast path: the message is stored as leased, and delivered
 * from memory after the commit, without a look at the file.
 */

import type { Need } from '../../transport/transport.ts';
import { lackingOf, startWaiting, waitingEvent } from './facts.ts';
import { hashKey, laneFlag, laneState, mark, ticksOf } from './layout.ts';
import { type FoundLane, type Ledger, tallyOf } from './ledger.ts';
import { factsText } from './need-text.ts';
import { listFacts, record } from './story.ts';
import type { Subscription, Topic } from './topology.ts';

/** A message on its way into one subscription. */
export interface Parcel {
  readonly id: string;
  readonly topic: Topic;
  readonly body: string | Uint8Array;
  readonly headers: string | null;
  readonly key: string | null;
  readonly facts: readonly Need[];
  readonly acceptedAt: number;
}

/** Consumers of this process that take fresh messages. Each answer must be acted upon. */
export interface Taker {
  /** The session under which a lane may be opened as leased; null: nobody takes it. */
  takeLane(subscription: Subscription, parcel: Parcel, taking: TakenLane): number | null;
  takeLoose(subscription: Subscription, parcel: Parcel, id: number): boolean;
}

export interface TakenLane {
  readonly lane: number;
  readonly key: string | null;
  /** What did not come by its deadline; null: it waits for nothing. */
  readonly lacking: readonly Need[] | null;
}

export const nobody: Taker = { takeLane: () => null, takeLoose: () => false };

export function place(
  ledger: Ledger,
  subscription: Subscription,
  parcel: Parcel,
  taker: Taker,
): void {
  if (subscription.isOrdered && parcel.key !== null) {
    placeInLane(ledger, subscription, { parcel, key: parcel.key, taker });
    return;
  }
  const id = subscription.loose + ++ledger.sequence;
  const tally = tallyOf(ledger, subscription);
  if (subscription.waits && parcel.facts.length > 0) {
    openLane(ledger, subscription, { parcel, lane: id, hash: 0, key: null, taker });
    return;
  }
  addMessage(ledger, id, 0, parcel);
  if (taker.takeLoose(subscription, parcel, id)) {
    tally.leased += 1;
  } else {
    tally.ready += 1;
    ledger.stirred = true;
  }
}

interface Keyed {
  readonly parcel: Parcel;
  readonly key: string;
  readonly taker: Taker;
}

function placeInLane(ledger: Ledger, subscription: Subscription, keyed: Keyed): void {
  const { parcel, key, taker } = keyed;
  const hash = hashKey(key, ledger.seed);
  const id = subscription.keyed + ++ledger.sequence;
  const found = findLane(ledger, subscription, hash);
  if (found === undefined) {
    openLane(ledger, subscription, { parcel, lane: id, hash, key, taker });
    return;
  }
  const [lane, name, state] = found;
  if (state === laneState.diverted) {
    divert(ledger, subscription, { parcel, id, lane });
    return;
  }
  const facts = subscription.waits ? parcel.facts : [];
  if (facts.length === 0 && name === key) addMessage(ledger, id, lane, parcel);
  else addSpecial(ledger, parcel, { id, lane, facts, marks: 0, key: name === key ? null : key });
  tallyOf(ledger, subscription).ready += 1;
}

/** The lane of a key, if it has one. Live lanes first: that index is small and warm. */
function findLane(ledger: Ledger, subscription: Subscription, hash: number): FoundLane | undefined {
  const { lanes } = ledger;
  const known = foundIn(ledger, subscription);
  const seen = known.get(hash);
  if (seen !== undefined) return seen;
  const hot = lanes.hot.get(hash, subscription.number);
  let found: FoundLane | undefined;
  if (hot === undefined) {
    ledger.anyCold ??= lanes.anyCold.get() !== undefined;
    found = ledger.anyCold ? lanes.cold.get(hash, subscription.number) : undefined;
  } else {
    found = [hot[0], hot[1], laneState.ready];
  }
  if (found !== undefined) known.set(hash, found);
  return found;
}

function foundIn({ found }: Ledger, subscription: Subscription): Map<number, FoundLane> {
  let known = found.get(subscription);
  if (known === undefined) {
    known = new Map();
    found.set(subscription, known);
  }
  return known;
}

/** The row id under which a message that was here before is placed again: behind all of its key. */
export function placeFor(
  ledger: Ledger,
  { isOrdered, loose, keyed }: Subscription,
  { key }: Parcel,
): number {
  return (isOrdered && key !== null ? keyed : loose) + ++ledger.sequence;
}

/**
 * Places a message that was here before, with its waiting counted from now. It has its story by
 * then, which goes on here: it may have to wait at once.
 */
export function placeAgain(
  ledger: Ledger,
  subscription: Subscription,
  { parcel, id }: { readonly parcel: Parcel; readonly id: number },
): { readonly lane: number; readonly state: number } {
  const key = subscription.isOrdered ? parcel.key : null;
  const hash = key === null ? 0 : hashKey(key, ledger.seed);
  const found = key === null ? undefined : findLane(ledger, subscription, hash);
  if (found === undefined) {
    const since = ledger.now;
    const marks = mark.storied;
    const opening = { parcel, lane: id, hash, key, taker: nobody, since, marks };
    openLane(ledger, subscription, opening);
    return { lane: id, state: laneState.ready };
  }
  const [lane, name, state] = found;
  const facts = subscription.waits ? parcel.facts : [];
  const special = { id, lane, facts, marks: mark.storied, key: name === key ? null : key };
  addSpecial(ledger, parcel, special);
  tallyOf(ledger, subscription).ready += 1;
  return { lane, state };
}

interface Opening {
  readonly parcel: Parcel;
  readonly lane: number;
  readonly hash: number;
  readonly key: string | null;
  readonly taker: Taker;
  /** From when its waiting counts, and what it is marked with, if it was here before. */
  readonly since?: number;
  readonly marks?: number;
}

/** Opens a lane with its first message: waiting, leased at once, or ready. */
function openLane(ledger: Ledger, subscription: Subscription, opening: Opening): void {
  const { parcel, lane, taker } = opening;
  const facts = subscription.waits ? parcel.facts : [];
  const tally = tallyOf(ledger, subscription);
  const lacking = facts.length === 0 ? null : lackingOf(ledger, facts);
  const deadlineAt = (opening.since ?? parcel.acceptedAt) + subscription.waitingDeadlineMs;
  const waits = lacking !== null && ledger.now < deadlineAt;
  // Where it may be overtaken, a message that has to wait is in no lane of a key.
  const leaves = waits && subscription.overtakes;
  const { hash, key } = leaves ? { hash: 0, key: null } : opening;
  const marks = opening.marks ?? (waits && ledger.keepsJournal ? mark.storied : 0);
  if (facts.length === 0 && marks === 0) addMessage(ledger, lane, lane, parcel);
  else addSpecial(ledger, parcel, { id: lane, lane, facts, marks, key: null });
  if (hash !== 0) foundIn(ledger, subscription).set(hash, [lane, key!, laneState.ready]);
  if (waits) {
    const { number } = subscription;
    const until = ticksOf(deadlineAt);
    record(ledger, lane, { event: 'parked', attempt: 1, detail: listFacts(lacking) });
    startWaiting(ledger, lane, facts, deadlineAt);
    const event = waitingEvent(subscription, parcel.id, lacking);
    ledger.events.push(event);
    ledger.waits.push({ lane, event });
    const { none } = laneFlag;
    ledger.lanes.add.run(lane, number, hash, key, 1, laneState.waiting, until, null, 0, none);
    ledger.anyCold = true;
    tally.waiting += 1;
    return;
  }
  const owner = taker.takeLane(subscription, parcel, { lane, key, lacking });
  addHotLane(ledger, subscription, { parcel, lane, hash, key, owner });
  if (owner === null) {
    tally.ready += 1;
    ledger.stirred = true;
  } else {
    tally.leased += 1;
  }
}

function addHotLane(
  { writes }: Ledger,
  { number }: Subscription,
  opened: Pick<Opening, 'parcel' | 'lane' | 'hash' | 'key'> & { readonly owner: number | null },
): void {
  const { parcel, lane, hash, key, owner } = opened;
  const state = owner === null ? laneState.ready : laneState.leased;
  const upto = owner === null ? 0 : lane;
  const readyAt = ticksOf(parcel.acceptedAt, lane);
  writes.lanes.values.push(lane, number, hash, key, state, readyAt, owner, upto);
  writes.lanes.grown();
}

/** A key whose head died under `divert`: what comes later follows it, in order. */
function divert(
  ledger: Ledger,
  subscription: Subscription,
  diverted: { readonly parcel: Parcel; readonly id: number; readonly lane: number },
): void {
  const { parcel, id, lane } = diverted;
  ledger.dead.addDiverted.run(
    id,
    subscription.number,
    lane,
    parcel.key,
    parcel.topic.number,
    parcel.id,
    parcel.acceptedAt,
    ledger.now,
    parcel.headers,
    factsText(subscription.waits ? parcel.facts : []),
    parcel.body,
  );
  tallyOf(ledger, subscription).dead += 1;
}

function addMessage({ writes }: Ledger, id: number, lane: number, parcel: Parcel): void {
  const { messages } = writes;
  messages.values.push(
    id,
    lane,
    parcel.acceptedAt,
    parcel.topic.number,
    parcel.id,
    parcel.headers,
    parcel.body,
  );
  messages.grown();
}

interface Special {
  readonly id: number;
  readonly lane: number;
  readonly facts: readonly Need[];
  readonly marks: number;
  /** Where it is not the key its lane was opened with. */
  readonly key: string | null;
}

function addSpecial(ledger: Ledger, parcel: Parcel, special: Special): void {
  const { id, lane, facts, marks, key } = special;
  ledger.messages.addSpecial.run(
    id,
    lane,
    parcel.acceptedAt,
    parcel.topic.number,
    parcel.id,
    parcel.headers,
    parcel.body,
    marks,
    factsText(facts),
    key,
  );
}
