/** The machine's clock: the one that every process outside of a test runs on. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { elapsedMs, isOverWithin, sleep, systemClock } from './clock.ts';

const dayMs = 24 * 3_600_000;

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

test.each([1, 2 ** 31 - 1, 2 ** 31, 30 * dayMs, 400 * dayMs])(
  'a timer of %i ms fires once, when that time is over',
  (ms) => {
    const run = vi.fn<() => void>();
    systemClock.setTimer(run, ms);

    vi.advanceTimersByTime(ms - 1);
    expect(run).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(run).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(400 * dayMs);
    expect(run).toHaveBeenCalledTimes(1);
  },
);

test('who sleeps goes on when that time is over', async () => {
  const woke = vi.fn<() => void>();
  const sleeping = sleep(5).then(woke);

  await vi.advanceTimersByTimeAsync(4);
  expect(woke).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  await sleeping;
  expect(woke).toHaveBeenCalledTimes(1);
});

test('what is over within its time is told from what is not, and leaves no timer', async () => {
  const late = isOverWithin(10, sleep(11));
  await vi.advanceTimersByTimeAsync(11);
  expect(await late).toBe(false);

  const early = isOverWithin(10, sleep(9));
  await vi.advanceTimersByTimeAsync(9);
  expect(await early).toBe(true);
  await expect(isOverWithin(10, Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  expect(vi.getTimerCount()).toBe(0);
});

test('a timer of nothing, or less, fires in the next turn', () => {
  const run = vi.fn<() => void>();
  systemClock.setTimer(run, 0);
  systemClock.setTimer(run, -5);

  expect(run).not.toHaveBeenCalled();
  vi.advanceTimersByTime(0);
  expect(run).toHaveBeenCalledTimes(2);
});

test('a timer that was cancelled never fires, also after it was armed again', () => {
  const run = vi.fn<() => void>();
  const early = systemClock.setTimer(run, 30 * dayMs);
  const late = systemClock.setTimer(run, 30 * dayMs);

  early.cancel();
  vi.advanceTimersByTime(29 * dayMs);
  late.cancel();
  vi.advanceTimersByTime(30 * dayMs);

  expect(run).not.toHaveBeenCalled();
  expect(vi.getTimerCount()).toBe(0);
});

test('a timer holds its process, and one that is let go does not, however long it is', () => {
  vi.useRealTimers();
  const thirtyDays = 30 * dayMs;

  assert.equal(endsWith(`systemClock.setTimer(() => console.log('fired'), 1)`), 'fired');
  assert.equal(endsWith(`systemClock.setTimer(() => console.log('fired'), 1).unref()`), '');
  assert.equal(endsWith(`systemClock.setTimer(() => {}, ${thirtyDays}).unref()`), '');
  assert.equal(endsWith(rearmed), '');
});

test('the monotonic clock goes on with time, and the wall clock says what the machine says', () => {
  vi.setSystemTime(new Date('2026-01-02T03:04:05Z'));
  const before = systemClock.monotonic();
  assert.equal(systemClock.now(), Date.UTC(2026, 0, 2, 3, 4, 5));

  vi.advanceTimersByTime(250);
  vi.setSystemTime(new Date('2020-01-01T00:00:00Z'));

  assert.equal(systemClock.monotonic() - before, 250);
});

/** The first step of the long timer is made to end at once, while something holds the process. */
const rearmed = `
  const { setTimeout: original } = globalThis;
  globalThis.setTimeout = (run) => {
    globalThis.setTimeout = original;
    return original(run, 0);
  };
  systemClock.setTimer(() => {}, ${30 * dayMs}).unref();
  original(() => {}, 20);
`;

test.each([
  [0.1 + 0.2, 0, 0.3],
  [1_234.567_891_2, 1_000.1, 234.468],
  [7, 7, 0],
])('three decimals at most: at %d, since %d, it is %d', (now, since, expected) => {
  assert.equal(elapsedMs({ monotonic: () => now }, since), expected);
});

/** What a program prints before it ends by itself. */
function endsWith(program: string): string {
  const source = `
    import { systemClock } from ${JSON.stringify(new URL('clock.ts', import.meta.url).href)};
    ${program}`;
  const run = spawnSync(process.execPath, ['--input-type=module', '--eval', source], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  assert.deepEqual([run.status, run.stderr], [0, '']);
  return run.stdout.trim();
}
