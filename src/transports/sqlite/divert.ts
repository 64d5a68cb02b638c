/** Moves the messages of a diverted lane behind its dead head, in their order, step by step. */

import { type Step, stepRows } from './chores.ts';
import { tallyOf } from './ledger.ts';
import { laneState } from './layout.ts';
import type { Session } from './session.ts';

export const divertStep: Step = (session: Session, { name, subject: lane }) => {
  const { ledger, events } = session;
  const row = ledger.lanes.byNumber.get(lane);
  const subscription = row === undefined ? undefined : ledger.topology.byNumber.get(row[0]);
  if (row === undefined || subscription === undefined || row[3] !== laneState.diverted) return null;
  const followers = ledger.chores.followers.all(lane, stepRows);
  if (followers.length === 0) return null;
  const { number } = subscription;
  ledger.chores.buryFollowers.run(lane, number, name, ledger.now, stepRows);
  const [last] = followers[followers.length - 1]!;
  ledger.messages.removePrefix.run(lane, last);
  const tally = tallyOf(ledger, subscription);
  tally.ready -= followers.length;
  tally.dead += followers.length;
  for (const [, id] of followers) {
    events.push({ kind: 'diverted', subscription: subscription.name, key: name, id });
  }
  return followers.length < stepRows ? null : 0;
};
