/** Words for cases about slots: requests, results, and what was answered. */

import assert from 'node:assert/strict';
import type {
  Acquisition,
  Hold,
  Reading,
  Request,
  Result,
  Slot,
} from '../../transport/coordination.ts';
import type { Connection, Harness } from './harness.ts';

export const slot: Slot = { space: 'rates', key: 'EUR' };
export const holdMs = 4_000;

export function slotOf(key: string): Slot {
  return { ...slot, key };
}

export function request(given: Partial<Request> = {}): Request {
  return { slot, leaseMs: holdMs, waitMs: 0, signal: null, ...given };
}

export function entry(value: string | null, given: Partial<Result> = {}): Result {
  const usual = { kind: 'entry', value, freshMs: 10_000, keptMs: 30_000, mostEntries: 100 };
  return { ...usual, ...given } as Result;
}

export function failed(message: string, rememberedMs: number): Result {
  const failure = { name: 'RateError', message };
  return { kind: 'failure', failure, rememberedMs, mostEntries: 100 };
}

/** Takes a slot that has to be free. */
export async function hold(connection: Connection, given: Partial<Request> = {}): Promise<Hold> {
  return heldIn(await connection.coordination.acquire(request(given)));
}

export function heldIn(acquisition: Acquisition): Hold {
  assert.ok(acquisition.kind === 'held', `the slot should be held, it is ${acquisition.kind}`);
  return acquisition.hold;
}

export function foundIn(acquisition: Acquisition): Reading {
  assert.ok(acquisition.kind === 'found', `there should be an answer, not ${acquisition.kind}`);
  return acquisition.reading;
}

/** Rejects unless another holds the slot. */
export async function taken(connection: Connection, given: Partial<Request> = {}): Promise<void> {
  const { kind } = await connection.coordination.acquire(request(given));
  assert.equal(kind, 'timed-out', 'somebody should hold the slot');
}

export interface Awaited<Answer> {
  readonly answers: readonly Answer[];
  /** Resolves once it is answered, in a while of virtual and real time. */
  next(): Promise<Answer>;
}

/** Asks without waiting for the answer. */
export function ask<Answer>(harness: Harness, asked: Promise<Answer>): Awaited<Answer> {
  const answers: Answer[] = [];
  let refusal: Error | null = null;
  asked.then(
    (answer) => answers.push(answer),
    (error: Error) => (refusal = error),
  );
  return {
    answers,
    async next() {
      await harness.until(
        () => answers.length > 0 || refusal !== null,
        () => 'who waits should have been answered',
      );
      if (refusal !== null) throw refusal;
      return answers[0]!;
    },
  };
}
