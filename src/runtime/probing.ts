/**
 * Asks the application about facts that messages wait for and that it knows better than malote: of
 * customers, say, who were there first.
 *
 * Asked at once is whoever hears that a message waits; what waited before, what could not be
 * answered and what was not so yet is asked again from time to time by every process that consumes.
 * What a probe says holds is marked, as `bus.fulfil` would, so that the next message does not wait.
 */

import type { Clock, Timer } from '../clock.ts';
import { MaloteError, optionInvalid } from '../errors.ts';
import { failureOf } from '../message/failure.ts';
import { factsIn, type Need } from '../message/need.ts';
import { hasProbes, type Probe, probeOf } from '../message/probe.ts';
import type { Transport } from '../transport/transport.ts';
import type { Events } from './events.ts';

export interface Probing {
  /** A message was found to wait for these. */
  heard(needs: readonly Need[]): void;
  /** Looks at what waits, now and from time to time. */
  start(): void;
  stop(): void;
  /** Questions under way. */
  readonly held: number;
}

const longestMs = 30_000;
const againMs = 60_000;
/** Ids in one question. */
const mostAsked = 500;
const pageSize = 500;
/** What waits beyond it is looked at the next time. */
const pagesAtOnce = 10;

export function createProbing(options: {
  readonly clock: Clock;
  readonly events: Events;
  readonly open: () => Promise<Pick<Transport, 'queue' | 'store'>>;
}): Probing {
  const { clock, events, open } = options;
  /** By dependency, the ids to ask for; there as long as somebody asks. */
  const asking = new Map<string, Set<string>>();
  const ending = new AbortController();
  const { signal: ended } = ending;
  let isLooking = false;
  let cursor: string | null = null;
  let timer: Timer | null = null;

  function heard(needs: readonly Need[]): void {
    if (!hasProbes() || ended.aborted) return;
    for (const fact of needs.flatMap(factsIn)) {
      const end = fact.indexOf(':');
      const name = fact.slice(0, end);
      if (probeOf(name) === undefined) continue;
      const ids = asking.get(name);
      ids?.add(fact.slice(end + 1));
      if (ids !== undefined) continue;
      asking.set(name, new Set([fact.slice(end + 1)]));
      queueMicrotask(() => void askAll(name));
    }
  }

  async function askAll(name: string): Promise<void> {
    const ids = asking.get(name)!;
    while (ids.size > 0 && !ended.aborted) {
      const batch = [...ids].slice(0, mostAsked);
      for (const id of batch) ids.delete(id);
      await ask(name, batch);
    }
    asking.delete(name);
  }

  async function ask(name: string, ids: readonly string[]): Promise<void> {
    try {
      const probe = probeOf(name);
      const there = probe === undefined ? [] : await answerOf(probe, name, ids);
      if (there.length === 0 || ended.aborted) return;
      const facts = there.map((id) => `${name}:${id}`);
      const { queue } = await open();
      await queue.mark(facts.map((fact) => ({ fact, state: 'fulfilled' })));
      events.emit({ kind: 'fulfilled', facts });
    } catch (error) {
      if (ended.aborted) return;
      events.emit({ kind: 'probe-failed', dependency: name, failure: failureOf(error) });
    }
  }

  async function answerOf(probe: Probe, name: string, ids: readonly string[]): Promise<string[]> {
    const controller = new AbortController();
    const { signal } = controller;
    const late = new MaloteError('TIMED_OUT', `the probe of "${name}" took over ${longestMs} ms`);
    const limit = clock.setTimer(() => controller.abort(late), longestMs);
    const stop = (): void => controller.abort(ended.reason);
    ended.addEventListener('abort', stop);
    try {
      const given: unknown = await Promise.race([probe(ids, { signal }), abortOf(signal)]);
      return idsIn(name, given).filter((id) => ids.includes(id));
    } finally {
      limit.cancel();
      ended.removeEventListener('abort', stop);
    }
  }

  async function look(): Promise<void> {
    isLooking = true;
    try {
      const { store } = await open();
      for (let page = 0; page < pagesAtOnce && !ended.aborted; page++) {
        const query = { subscription: null, fact: null, cursor, limit: pageSize };
        const { items, next } = await store.waiting(query);
        for (const { waitingFor } of items) heard(waitingFor);
        cursor = next;
        if (next === null) break;
      }
    } catch {
      // Whoever works with the engine tells of its trouble; this looks again.
    } finally {
      isLooking = false;
    }
    if (!ended.aborted) timer = clock.setTimer(() => void look(), againMs).unref();
  }

  return {
    heard,
    start() {
      if (hasProbes()) void look();
    },
    stop() {
      ending.abort(new MaloteError('BUS_STOPPED', 'the bus stops'));
      timer?.cancel();
    },
    get held() {
      return asking.size + (isLooking ? 1 : 0);
    },
  };
}

function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}

function idsIn(name: string, given: unknown): string[] {
  const isList = typeof given === 'object' && given !== null && Symbol.iterator in given;
  if (!isList) throw optionInvalid(`probe of "${name}"`, 'answering a list of ids', given);
  return [...new Set([...(given as Iterable<unknown>)].map(String))];
}
