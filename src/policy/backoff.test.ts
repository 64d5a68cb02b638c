/** Back-off schedules, by equality. */
import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { type Backoff, delayMs, exponential, fixed, linear } from './backoff.ts';

const delays = (schedule: Backoff, random = 0.5): number[] =>
  [1, 2, 3, 4, 40].map((attempt) => delayMs(schedule, attempt, random));

describe('delays are a function of the attempt alone', () => {
  test('fixed stays', () => {
    assert.deepEqual(delays(fixed('250ms')), [250, 250, 250, 250, 250]);
  });

  test('linear grows by its step until max', () => {
    assert.deepEqual(delays(linear('1s', { max: '10s' })), [1_000, 2_000, 3_000, 4_000, 10_000]);
  });

  test('exponential doubles until max, and never overflows', () => {
    const schedule = exponential('1s', { max: '1h', jitter: 'none' });
    assert.deepEqual(delays(schedule), [1_000, 2_000, 4_000, 8_000, 3_600_000]);
    assert.equal(delayMs(schedule, 5_000, 0), 3_600_000);
  });

  test('a factor other than two is taken', () => {
    const schedule = exponential('1s', { factor: 3, jitter: 'none' });
    assert.deepEqual(delays(schedule).slice(0, 3), [1_000, 3_000, 9_000]);
  });
});

describe('jitter', () => {
  test('full draws between nothing and the whole delay', () => {
    const schedule = exponential('1s');
    assert.equal(delayMs(schedule, 3, 0), 0);
    assert.equal(delayMs(schedule, 3, 0.5), 2_000);
    assert.equal(delayMs(schedule, 3, 0.999_999), 3_999);
  });

  test('equal keeps half of the delay', () => {
    const schedule = linear('1s', { jitter: 'equal' });
    assert.equal(delayMs(schedule, 2, 0), 1_000);
    assert.equal(delayMs(schedule, 2, 0.5), 1_500);
  });
});

test('bad schedules are refused by name', () => {
  const refused = (make: () => unknown): { code: string; message: string } => {
    try {
      make();
    } catch (error) {
      return error as { code: string; message: string };
    }
    throw new Error('nothing was refused');
  };
  assert.match(refused(() => exponential('1s', { factor: 0.5 })).message, /factor must be/);
  assert.match(refused(() => fixed('1 s')).message, /fixed: delay must be a duration/);
  const misspelt: object = { maxx: '1h' };
  const unknown = refused(() => linear('1s', misspelt));
  assert.equal(unknown.code, 'OPTION_UNKNOWN');
  assert.match(unknown.message, /did you mean "max"\?/);
  assert.equal(refused(() => linear('1s', { jitter: 'some' as 'full' })).code, 'OPTION_INVALID');
});
