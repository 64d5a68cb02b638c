/** How an entry of a lane table looks to those who ask for a message. */

import {
  longestHistory,
  type Entry,
  type Lane,
  type LaneTable,
  type Step,
} from '../../transport/lane-table.ts';
import { deadlineOf } from '../../transport/lane-table-lanes.ts';
import { factsLacking } from '../../transport/lane-table-waiting.ts';
import type { MessageState, MessageView, WaitingMessage } from '../../transport/store.ts';
import type { Carried } from './broker.ts';
import type { DeadRecord } from './dead-letters.ts';
import type { KeptMessage } from './catalog.ts';

export function viewOf(
  table: LaneTable,
  entry: Entry,
  as: { readonly state: MessageState } = entry,
): MessageView {
  const { message, story } = entry;
  const isTimed = as.state === 'scheduled' || as.state === 'retrying';
  return {
    id: message.id,
    topic: message.topic,
    subscription: table.subscription,
    state: as.state,
    key: entry.key,
    attempts: as.state === 'done' ? entry.attempt : entry.attempt - 1,
    acceptedAt: entry.acceptedAt,
    readyAt: isTimed ? entry.readyAt : null,
    waitingFor: as.state === 'waiting' ? (factsLacking(table, entry) ?? []) : [],
    reason: null,
    history: [...(story?.history ?? [])],
  };
}

export function cancelledView(before: MessageView, step: Step): MessageView {
  const attempt = before.attempts ?? 0;
  const cancelled = { at: step.now, event: 'cancelled', attempt } as const;
  const history =
    step.keepDoneMs === 0
      ? before.history
      : [...before.history, { ...cancelled, detail: null }].slice(-longestHistory);
  return { ...before, state: 'cancelled', readyAt: null, waitingFor: [], history };
}

/** Entries stand in the order of their arrival. */
export function oldestOf(entries: Iterable<Pick<Entry, 'acceptedAt' | 'state'>>): number | null {
  for (const { acceptedAt, state } of entries) if (state !== 'scheduled') return acceptedAt;
  return null;
}

export function viewOfDead(dead: DeadRecord): MessageView {
  return {
    id: dead.message.id,
    topic: dead.message.topic,
    subscription: dead.subscription,
    state: 'dead',
    key: dead.key,
    attempts: dead.attempts,
    acceptedAt: dead.acceptedAt,
    readyAt: null,
    waitingFor: [],
    reason: dead.reason,
    history: [...(dead.story?.history ?? [])],
  };
}

export function viewOfKept({ message, acceptedAt }: KeptMessage, now: number): MessageView {
  const dueAt = acceptedAt + message.delayMs;
  return {
    id: message.id,
    topic: message.topic,
    subscription: null,
    state: dueAt > now ? 'scheduled' : 'ready',
    key: message.key,
    attempts: 0,
    acceptedAt,
    readyAt: dueAt > now ? dueAt : null,
    waitingFor: [],
    reason: null,
    history: [],
  };
}

/** A message in a queue of the broker that no owner has taken in. */
export function viewOfCarried({ message, queue, acceptedAt, at, state }: Carried): MessageView {
  const isDelayed = state === 'delayed';
  return {
    id: message.id,
    topic: message.topic,
    subscription: queue.subscription.spec.name,
    state: isDelayed ? 'scheduled' : 'ready',
    key: queue.partition === null ? null : message.key,
    attempts: (queue.subscription.notes.get(message.id)?.attempt ?? 1) - 1,
    acceptedAt,
    readyAt: isDelayed ? at : null,
    waitingFor: [],
    reason: null,
    history: [],
  };
}

export function waitingView(table: LaneTable, { head }: Lane): WaitingMessage {
  const entry = head!;
  return {
    id: entry.message.id,
    topic: entry.message.topic,
    subscription: table.subscription,
    key: entry.key,
    waitingFor: factsLacking(table, entry) ?? [],
    acceptedAt: entry.acceptedAt,
    deadlineAt: deadlineOf(table, entry),
  };
}
