/** What becomes of a delivery, by equality. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { fixed } from './backoff.ts';
import { afterFailure, deadOnArrival, type RetryPolicy } from './outcome.ts';

class CardDeclined extends Error {}
class Stolen extends CardDeclined {}

const policy: RetryPolicy = { attempts: 3, backoff: fixed('2s'), giveUpOn: [CardDeclined] };
const failed = (attempt: number, error: unknown = new Error('flaky'), timedOut = false) =>
  afterFailure(policy, { attempt, error, timedOut }, 0);

test('a failure before the last attempt is retried after its back-off', () => {
  assert.deepEqual(failed(1), { kind: 'retry', afterMs: 2_000 });
  assert.deepEqual(failed(2), { kind: 'retry', afterMs: 2_000 });
});

test('the attempt that reaches the limit is the last, and says why', () => {
  assert.deepEqual(failed(3), { kind: 'dead-letter', reason: 'attempts-exhausted' });
  const late = failed(3, new Error('late'), true);
  assert.deepEqual(late, { kind: 'dead-letter', reason: 'timed-out' });
});

test('an error on the give-up list, or of a class below it, is dead at once', () => {
  assert.deepEqual(failed(1, new Stolen()), { kind: 'dead-letter', reason: 'gave-up' });
});

test('a crash is held against a message only when it was alone, and only past its attempts', () => {
  const arrival = { attempt: 4, waitTimedOut: false };
  assert.equal(deadOnArrival(policy, { ...arrival, suspicion: 'alone' }), 'crashed');
  assert.equal(deadOnArrival(policy, { ...arrival, suspicion: 'beside' }), null);
  assert.equal(deadOnArrival(policy, { ...arrival, attempt: 3, suspicion: 'alone' }), null);
});

test('a message whose facts did not come in time is dead', () => {
  const arrival = { attempt: 1, suspicion: 'none', waitTimedOut: true } as const;
  assert.equal(deadOnArrival(policy, arrival), 'dependency-timeout');
});
