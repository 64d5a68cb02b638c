/**
 * Subscriptions are registered, changed, paused and forgotten.
 *
 * All of one call is one transaction, and nothing is written before everything was checked. Who is
 * forgotten loses its name at once; its rows go step by step.
 */

import { MaloteError, show } from '../../errors.ts';
import type { SubscriptionSpec } from '../../transport/transport.ts';
import { addChore, type Step, stepRows } from './chores.ts';
import { endOfRange, keyedRange, looseRange, mark, mostSubscriptions } from './layout.ts';
import { type Ledger, reloadTopology, topicOf } from './ledger.ts';
import type { Session } from './session.ts';
import { forgetPastIn } from './past.ts';
import { forgetStory } from './story.ts';
import type { Subscription } from './topology.ts';

export function subscribe(session: Session, specifications: readonly SubscriptionSpec[]): void {
  const { ledger } = session;
  for (const specification of specifications) checkUnchanged(ledger, specification);
  const names = new Set(specifications.map(({ name }) => name));
  const newNames = [...names].filter((name) => !ledger.topology.subscriptions.has(name));
  checkRoom(session, newNames.length);
  const isNew = specifications.map(({ name }) => !ledger.topology.subscriptions.has(name));
  let isAdopting = false;
  specifications.forEach((specification, index) => {
    const isJoining = isNew[index] ? add(session, specification) : change(session, specification);
    if (isJoining) isAdopting = true;
  });
  if (isAdopting) addChore(ledger, { kind: 'adopt', name: '', subject: 0 });
  reloadTopology(ledger);
}

/** Answers whether it existed. */
export function unsubscribe(session: Session, name: string): boolean {
  const { ledger, registry } = session;
  const known = ledger.topology.subscriptions.get(name);
  if (known === undefined) return false;
  registry.removeRoutes.run(known.number);
  registry.forgetName.run(known.number);
  addChore(ledger, { kind: 'forget', name: '', subject: known.number });
  reloadTopology(ledger);
  return true;
}

/** Answers whether it exists. */
export function setPaused(session: Session, name: string, paused: boolean): boolean {
  const { ledger, registry } = session;
  const known = ledger.topology.subscriptions.get(name);
  if (known === undefined) return false;
  registry.pause.run(paused ? 1 : 0, known.number);
  reloadTopology(ledger);
  return true;
}

function checkUnchanged({ topology }: Ledger, specification: SubscriptionSpec): void {
  const { name, topics, order, replace } = specification;
  const known = topology.subscriptions.get(name);
  if (known === undefined || replace) return;
  const stored = known.isOrdered ? 'key' : 'none';
  if (stored !== order) throw changed(name, `order "${stored}"`, `"${order}"`);
  const same =
    topics.length === known.topics.length && topics.every((t) => known.topics.includes(t));
  if (!same) throw changed(name, `topics ${show(known.topics)}`, show(topics));
}

function changed(name: string, expected: string, got: string): MaloteError {
  return new MaloteError(
    'SUBSCRIPTION_CHANGED',
    `subscription "${name}" must keep its ${expected}, got ${got}; ` +
      'pass replace: true, or give the new one another name',
  );
}

/** Answers whether there is something that it adopts. */
function add(session: Session, specification: SubscriptionSpec): boolean {
  const { ledger, registry } = session;
  const { name, from } = specification;
  const number = freeNumber(session);
  registry.addTally.run(number, looseRange(number));
  const spec = columnsOf(specification);
  ledger.lease += 1;
  registry.add.run(number, name, ...spec, from === 'kept' ? 0 : ledger.sequence, ledger.lease);
  return route(session, number, specification);
}

/** Answers whether there is something that it adopts. */
function change(session: Session, specification: SubscriptionSpec): boolean {
  const { ledger, registry } = session;
  const known = ledger.topology.subscriptions.get(specification.name)!;
  registry.change.run(...columnsOf(specification), known.number);
  for (const topic of known.topics) {
    if (specification.topics.includes(topic)) continue;
    registry.removeRoute.run(topicOf(ledger, topic).number, known.number);
  }
  return route(session, known.number, specification);
}

type Columns = readonly [string, string, number, number, number, string, number];

function columnsOf(specification: SubscriptionSpec): Columns {
  const { order, onDead, waits, waitingDeadlineMs, waitingOrder, maxDepth, from } = specification;
  const overtakes = waitingOrder === 'overtake' ? 1 : 0;
  return [order, onDead, waits ? 1 : 0, waitingDeadlineMs, maxDepth, from, overtakes];
}

/**
 * Leads its topics to a subscription, new or not. Answers whether there is something that it
 * adopts, because it is the first one that asks for what a topic kept.
 */
function route(session: Session, number: number, { topics, from }: SubscriptionSpec): boolean {
  const { ledger, registry } = session;
  let isAdopting = false;
  for (const name of new Set(topics)) {
    const topic = topicOf(ledger, name);
    const hasKept = from === 'kept' && ledger.shelves.anyKept.get(topic.number) !== undefined;
    // While others take over what was kept, a newcomer gets what comes from now on.
    const joins = hasKept && topic.adopting.length === 0;
    registry.addRoute.run(topic.number, number, joins ? 1 : 0);
    if (joins) isAdopting = true;
  }
  return isAdopting;
}

function freeNumber({ registry }: Session): number {
  let number = 0;
  for (const [taken] of registry.numbers.all()) {
    if (taken !== number) break;
    number += 1;
  }
  return number;
}

function checkRoom({ registry }: Session, more: number): void {
  if (registry.numbers.all().length + more <= mostSubscriptions) return;
  throw new MaloteError(
    'ENGINE_FULL',
    `a sqlite file must have at most ${mostSubscriptions} subscriptions, got ${more} more; ` +
      'unsubscribe those nobody consumes',
  );
}

/** Removes some of what a forgotten subscription holds; null when nothing is left of it. */
export const forgetStep: Step = (session, { subject: number }) => {
  const { ledger, registry } = session;
  for (const range of [looseRange(number), keyedRange(number)]) {
    if (forgetRange(session, range)) return 0;
    if (forgetPastIn(ledger, range, endOfRange(range))) return 0;
  }
  const dead = registry.deadIn.all(number, stepRows);
  for (const [id] of dead) {
    registry.removeDead.run(id);
    forgetStory(ledger, id);
  }
  if (dead.length > 0) return 0;
  registry.removeTally.run(number);
  registry.remove.run(number);
  return null;
};

function forgetRange({ ledger, registry }: Session, range: number): boolean {
  const end = endOfRange(range);
  const messages = registry.messagesIn.all(range, end, stepRows);
  for (const [id, , marks] of messages) {
    ledger.messages.remove.run(id);
    if ((marks & mark.storied) !== 0) forgetStory(ledger, id);
  }
  const lanes = registry.lanesIn.all(range, end, stepRows);
  for (const [lane] of lanes) {
    ledger.facts.stopWaiting.run(lane);
    ledger.lanes.remove.run(lane);
  }
  const later = Number(registry.forgetLater.run(range, end, stepRows).changes);
  return messages.length + lanes.length + later > 0;
}

/** What a subscription is, as it was registered. */
export function specificationOf(subscription: Subscription): SubscriptionSpec {
  const { name, topics, isOrdered, onDead, waits, overtakes } = subscription;
  const { waitingDeadlineMs, maxDepth, adopts } = subscription;
  return {
    name,
    topics,
    order: isOrdered ? 'key' : 'none',
    onDead,
    waits,
    waitingDeadlineMs,
    waitingOrder: overtakes ? 'overtake' : 'hold',
    maxDepth,
    from: adopts,
    replace: false,
  };
}
