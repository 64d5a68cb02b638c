/**
 * From lines to what happened: messages, the runs of their handlers, facts and kills. The checkers
 * look at nothing else, so a test can hand them a history that never took place.
 */
import type { Announced, Entry, Line } from './history.ts';

export interface Subscribed {
  readonly name: string;
  readonly topic: string;
  readonly isOrdered: boolean;
  /** Whether messages wait for the facts they were published with. */
  readonly waits: boolean;
}

/** `open`: its publisher was killed before it had an answer. */
export type Outcome = 'accepted' | 'refused' | 'indeterminate' | 'open';

export interface Sent extends Announced {
  /** Whose successive processes publish one after the other. */
  readonly publisher: string;
  /** The place among all messages of the publisher. */
  readonly sequence: number;
  readonly invokedAt: number;
  outcome: Outcome;
  answeredAt: number | null;
  code: string | null;
}

export interface Run {
  readonly subscription: string;
  readonly label: string;
  readonly id: string;
  readonly attempt: number;
  readonly process: string;
  readonly startedAt: number;
  /** The attempt of the handler that published it, for messages published by handlers. */
  readonly stagedBy: number | null;
  outcome: 'end' | 'fail' | 'wait' | 'open';
  endedAt: number | null;
}

export interface FactTimes {
  invokedAt: number;
  confirmedAt: number | null;
}

export interface CampaignRecord {
  readonly subscriptions: readonly Subscribed[];
  readonly sent: ReadonlyMap<string, Sent>;
  /** By {@link deliveryOf}; the runs of each in the order of their starts. */
  readonly runs: ReadonlyMap<string, readonly Run[]>;
  readonly facts: ReadonlyMap<string, FactTimes>;
  /** When each process was killed. */
  readonly kills: ReadonlyMap<string, number>;
  /** The most messages that each process had in hand at a time. */
  readonly inHand: ReadonlyMap<string, number>;
  /** When processes stood still for longer than their lease. */
  readonly pauses: ReadonlyMap<string, readonly Span[]>;
  /** When connections were lost, also by themselves, and whose; null: those of all processes. */
  readonly breaks: readonly Break[];
  /** `process subscription id` of every lease that a living process was told it had lost. */
  readonly losses: ReadonlySet<string>;
  /** Whatever the engine complained of. */
  readonly troubles: readonly Trouble[];
}

export interface Break {
  readonly at: number;
  readonly until: number;
  readonly process: string | null;
}

export interface Span {
  readonly from: number;
  to: number;
}

export interface Trouble {
  readonly at: number;
  readonly process: string;
  readonly code: string;
  readonly message: string;
}

/** What handlers publish. */
export const followedTopic = 'order.followed';

/** The label of the message that the handler of `label` publishes. */
export function followUpOf(label: string): string {
  return `${label}+`;
}

export function deliveryOf(subscription: string, label: string): string {
  return `${subscription} ${label}`;
}

export function lossOf(process: string, subscription: string, id: string): string {
  return `${process} ${subscription} ${id}`;
}

/** `publisher-1.3` is the third process of `publisher-1`. */
export function slotOf(processName: string): string {
  return processName.split('.')[0] ?? processName;
}

export function recordOf(
  entries: readonly Entry[],
  subscriptions: readonly Subscribed[],
): CampaignRecord {
  const builder = createBuilder();
  const ordered = entries.toSorted((a, b) => a.line.at - b.line.at);
  for (const { process, line } of ordered) builder.add(process, line);
  return { subscriptions, ...builder.finish() };
}

interface Builder {
  add(process: string, line: Line): void;
  finish(): Omit<CampaignRecord, 'subscriptions'>;
}

function createBuilder(): Builder {
  const sent = new Map<string, Sent>();
  const runs = new Map<string, Run[]>();
  const facts = new Map<string, FactTimes>();
  const kills = new Map<string, number>();
  const inHand = new Map<string, number>();
  const pauses = new Map<string, Span[]>();
  const breaks: Break[] = [];
  const losses = new Set<string>();
  const troubles: Trouble[] = [];
  let sequence = 0;

  function publish(process: string, messages: readonly Announced[], at: number): void {
    for (const announced of messages) {
      sequence += 1;
      sent.set(announced.label, {
        ...announced,
        publisher: slotOf(process),
        sequence,
        invokedAt: at,
        outcome: 'open',
        answeredAt: null,
        code: null,
      });
    }
  }

  function start(process: string, line: Extract<Line, { f: 'start' }>): void {
    const { subscription, label, id, attempt, at, stagedBy } = line;
    const delivery = deliveryOf(subscription, label);
    const run: Run = {
      subscription,
      label,
      id,
      attempt,
      process,
      stagedBy,
      startedAt: at,
      outcome: 'open',
      endedAt: null,
    };
    const earlier = runs.get(delivery);
    if (earlier === undefined) runs.set(delivery, [run]);
    else earlier.push(run);
  }

  function finishRun(process: string, line: Extract<Line, { f: 'end' | 'fail' | 'wait' }>): void {
    const started = runs.get(deliveryOf(line.subscription, line.label)) ?? [];
    const run = started.findLast(
      (one) => one.process === process && one.outcome === 'open' && one.attempt === line.attempt,
    );
    if (run === undefined) throw new Error(`${process} ended what it did not start: ${line.label}`);
    run.outcome = line.f;
    run.endedAt = line.at;
  }

  function answer(line: Extract<Line, { f: 'published' }>): void {
    const message = sent.get(line.label);
    if (message === undefined) throw new Error(`an answer to nothing: ${line.label}`);
    message.outcome = line.outcome;
    message.answeredAt = line.at;
    message.code = line.code;
  }

  function mark(names: readonly string[], at: number, isConfirmed: boolean): void {
    for (const fact of names) {
      const times = facts.get(fact) ?? { invokedAt: at, confirmedAt: null };
      if (isConfirmed) times.confirmedAt ??= at;
      facts.set(fact, times);
    }
  }

  function pause({ process, at }: { readonly process: string; readonly at: number }): void {
    const spans = pauses.get(process) ?? [];
    pauses.set(process, spans);
    spans.push({ from: at, to: Number.POSITIVE_INFINITY });
  }

  return {
    add(process, line) {
      switch (line.f) {
        case 'publish':
          return publish(process, line.messages, line.at);
        case 'published':
          return answer(line);
        case 'start':
          return start(process, line);
        case 'end':
        case 'fail':
        case 'wait':
          return finishRun(process, line);
        case 'fulfil':
        case 'fulfilled':
          return mark(line.facts, line.at, line.f === 'fulfilled');
        case 'lease-lost':
          losses.add(lossOf(process, line.subscription, line.id));
          return;
        case 'in-hand':
          inHand.set(process, Math.max(line.messages, inHand.get(process) ?? 0));
          return;
        case 'trouble':
          troubles.push({ process, at: line.at, code: line.code, message: line.message });
          return;
        case 'pause':
          pause(line);
          return;
        case 'resume':
          pauses.get(line.process)!.at(-1)!.to = line.at;
          return;
        case 'break':
          breaks.push({ at: line.at, until: line.until, process: line.process });
          return;
        case 'kill':
          kills.set(line.process, line.at);
      }
    },
    finish() {
      for (const message of [...sent.values()]) {
        if (message.followed) sent.set(followUpOf(message.label), followUp(message));
      }
      const all = [...breaks, ...unprovoked(troubles, breaks)];
      return { sent, runs, facts, kills, inHand, pauses, breaks: all, losses, troubles };
    },
  };
}

/** What a server waits for a sign of life, and some more until that is heard of; microseconds. */
const unheardUs = 4_000_000;
/** How long after a break a process may hear of it. */
const afterBreakUs = 2_000_000;
/** What the operating system and the driver say. What malote ends by itself is no excuse. */
const byItself = /was lost \(((read|write) E[A-Z]+|Heartbeat timeout|Unexpected close)\)/;

/**
 * Connections that nobody cut: a machine that stands still for some seconds keeps server and
 * process from the sign of life that each waits for.
 */
function unprovoked(troubles: readonly Trouble[], breaks: readonly Break[]): Break[] {
  return troubles.flatMap(({ process, at, message }) => {
    const isProvoked = breaks.some(
      (one) =>
        (one.process === null || one.process === process) &&
        one.at <= at &&
        at <= one.until + afterBreakUs,
    );
    return isProvoked || !byItself.test(message)
      ? []
      : [{ at: at - unheardUs, until: at, process }];
  });
}

/** What a handler publishes is accepted with its ack, so it has the fate of its message. */
function followUp(message: Sent): Sent {
  return {
    ...message,
    label: followUpOf(message.label),
    topic: followedTopic,
    delayMs: 0,
    waits: [],
    asks: null,
    followed: false,
  };
}
