/**
 * Those of one process who wait for slots, one line per slot: only one of a line at a time tries to
 * take the slot, the first first.
 *
 * For an engine that can look at a slot without waiting. Whenever something may have changed the
 * engine says so ({@link Line.look}); when a lease ends by time the line looks by itself. Looking
 * once too often is harmless, and a look that found nothing leaves everybody where they were.
 */

import type { Clock, Timer } from '../clock.ts';
import type { Acquisition, Hold, Request, Slot } from './coordination.ts';
import type { Sight } from './coordination-sight.ts';

export interface LineOptions {
  readonly clock: Clock;
  /** @param waitedFor - the hold that was met first: what came of it is an answer */
  see(slot: Slot, waitedFor: number | null): Sight;
  /** Takes the slot if that is still what is seen; answers the token, or null. */
  take(slot: Slot, leaseMs: number, waitedFor: number | null): Promise<number | null>;
  /** Gives back what came too late for who waited. */
  release(hold: Hold): void;
}

export interface Line {
  acquire(request: Request): Promise<Acquisition>;
  /** Something may have changed. Never throws. */
  look(): void;
  /** Nobody waits any more. */
  stop(error: Error): void;
}

interface Waiter {
  readonly request: Request;
  readonly untilMs: number;
  waitedFor: number | null;
  isTaking: boolean;
  isOver: boolean;
  answer(acquisition: Acquisition): void;
  fail(error: unknown): void;
}

const timedOut: Acquisition = { kind: 'timed-out' };
/** How soon an engine that could not be asked is asked again. */
const againMs = 10;

interface Queue {
  readonly slot: Slot;
  readonly waiters: Waiter[];
}

export function createLine({ clock, see, take, release }: LineOptions): Line {
  const queues = new Map<string, Queue>();
  let alarm: Timer | null = null;
  let alarmAt = Number.POSITIVE_INFINITY;

  function arm(at: number): void {
    if (at >= alarmAt) return;
    alarm?.cancel();
    alarmAt = at;
    alarm = clock.setTimer(
      () => {
        alarmAt = Number.POSITIVE_INFINITY;
        alarm = null;
        look();
      },
      Math.max(1, at - clock.monotonic()),
    );
  }

  function look(): void {
    for (const [name, queue] of queues) lookAt(name, queue);
    if (queues.size > 0) return;
    alarm?.cancel();
    alarm = null;
    alarmAt = Number.POSITIVE_INFINITY;
  }

  /** Sends away those who are done or too late; then the first tries, or all wait on. */
  function lookAt(name: string, queue: Queue): void {
    const { slot, waiters } = queue;
    const now = clock.monotonic();
    for (let index = 0; index < waiters.length; ) {
      if (isSettled(waiters[index]!, slot, now)) waiters.splice(index, 1);
      else index += 1;
    }
    if (waiters.length === 0) queues.delete(name);
  }

  /** Whether a look settles a waiter. Who is just taking the slot stays until that is answered. */
  function isSettled(waiter: Waiter, slot: Slot, now: number): boolean {
    const { isTaking, untilMs, request } = waiter;
    const isLate = now >= untilMs;
    if (waiter.isOver) return !isTaking;
    if (isTaking) {
      if (!isLate) arm(untilMs);
      else if (request.waitMs > 0) waiter.answer(timedOut);
      return false;
    }
    try {
      const sight = see(slot, waiter.waitedFor);
      if (sight.kind === 'found') waiter.answer(sight);
      else if (sight.kind === 'free' && isNext(slot)) void tryToTake(waiter);
      else if (isLate) waiter.answer(timedOut);
      else expect(waiter, sight, now);
    } catch (error) {
      waiter.fail(error);
    }
    return waiter.isOver && !waiter.isTaking;
  }

  function expect(waiter: Waiter, sight: Sight, now: number): void {
    arm(waiter.untilMs);
    if (sight.kind === 'unknown') arm(now + againMs);
    if (sight.kind !== 'held') return;
    waiter.waitedFor ??= sight.token;
    arm(now + sight.leftMs);
  }

  function isNext(slot: Slot): boolean {
    return queues.get(nameOf(slot))?.waiters.every(({ isTaking }) => !isTaking) ?? false;
  }

  async function tryToTake(waiter: Waiter): Promise<void> {
    const { slot, leaseMs } = waiter.request;
    waiter.isTaking = true;
    const askedAt = clock.monotonic();
    try {
      const token = await take(slot, leaseMs, waiter.waitedFor);
      waiter.isTaking = false;
      if (token !== null) {
        const hold = { slot, token, validUntil: askedAt + leaseMs };
        if (waiter.isOver) release(hold);
        else waiter.answer({ kind: 'held', hold });
      }
    } catch (error) {
      waiter.isTaking = false;
      waiter.fail(error);
    }
    const queue = queues.get(nameOf(slot));
    if (queue !== undefined) lookAt(nameOf(slot), queue);
  }

  return {
    acquire: (request) =>
      new Promise((resolve, reject) => {
        const { signal, slot, waitMs } = request;
        if (signal?.aborted === true) return reject(signal.reason);
        const settled = (): void => {
          waiter.isOver = true;
          signal?.removeEventListener('abort', onAbort);
        };
        const waiter: Waiter = {
          request,
          untilMs: clock.monotonic() + waitMs,
          waitedFor: null,
          isTaking: false,
          isOver: false,
          answer(acquisition) {
            settled();
            resolve(acquisition);
          },
          fail(error) {
            settled();
            reject(error);
          },
        };
        const onAbort = (): void => {
          waiter.fail(signal!.reason);
          look();
        };
        signal?.addEventListener('abort', onAbort, { once: true });
        const name = nameOf(slot);
        const queue = queues.get(name) ?? { slot, waiters: [] };
        queue.waiters.push(waiter);
        queues.set(name, queue);
        lookAt(name, queue);
      }),
    look,
    stop(error) {
      const all = [...queues.values()].flatMap(({ waiters }) => waiters);
      queues.clear();
      for (const waiter of all) if (!waiter.isOver) waiter.fail(error);
      look();
    },
  };
}

/** Spaces hold no newline. */
export function nameOf({ space, key }: Slot): string {
  return `${space}\n${key}`;
}
