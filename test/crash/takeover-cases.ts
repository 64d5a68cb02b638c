/**
 * What a killed process held is with others long before its lease is over: the engine hears of the
 * death. The lease only bounds how long a process that is alive and silent keeps its messages.
 */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import type { Child, Notice } from './fleet.ts';
import { now } from './history.ts';
import { acts, go, type OpenStage } from './stage.ts';

const leaseMs = 60_000;
/** Far below the lease, and far above what a crowded machine needs. */
const boundMs = 25_000;
const timeout = 60_000;
const held = ['ordered', 'loose 1', 'loose 2'];

export function takeoverCases(open: OpenStage): void {
  test('another process takes over at once when one is killed', { timeout }, async () => {
    await using stage = await open({ lease: leaseMs });
    const victim = await stage.enter('victim');
    await stage.publish(...acts('hold', 'a', ['ordered']), ...acts('hold', null, held.slice(1)));
    await victim.noticesOf('start', 3);
    const heir = await stage.enter('heir');

    const killedAt = now();
    victim.signal('SIGKILL');
    const tookMs = await takenOver(heir, killedAt);

    console.log(`taken over ${tookMs} ms after the kill; the lease is ${leaseMs} ms`);
    assert.ok(tookMs < boundMs, `it took ${tookMs} ms`);
    go(heir, held);
    const { dead } = await stage.drained();
    assert.deepEqual([stage.ended().length, dead], [3, 0]);
  });

  test('a process that starts after the death takes over at once', { timeout }, async () => {
    await using stage = await open({ lease: leaseMs });
    const victim = await stage.enter('victim');
    await stage.publish(...acts('hold', 'a', ['ordered']), ...acts('hold', null, held.slice(1)));
    await victim.noticesOf('start', 3);
    victim.signal('SIGKILL');
    await victim.ended;

    const startedAt = now();
    const heir = await stage.enter('heir');
    const tookMs = await takenOver(heir, startedAt);

    console.log(`taken over ${tookMs} ms after the start; the lease is ${leaseMs} ms`);
    assert.ok(tookMs < boundMs, `it took ${tookMs} ms`);
  });
}

/** Waits until the heir has started all of it, as second attempts; answers the milliseconds. */
async function takenOver(heir: Child, since: number): Promise<number> {
  const starts = await heir.noticesOf('start', held.length);
  const labels = starts.map(({ label }) => label ?? '');
  assert.deepEqual(labels.toSorted(), held.toSorted());
  assert.ok(starts.every(({ attempt }) => attempt === 2));
  const latest = Math.max(...starts.map(({ at }: Notice) => at ?? 0));
  return Math.round((latest - since) / 1_000);
}
