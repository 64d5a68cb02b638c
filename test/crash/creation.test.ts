/**
 * Eight processes find no file and make it together, and some are killed at it: whatever they leave
 * behind, the next one works with it.
 */
import assert from 'node:assert/strict';
import { mkdirSync, watch } from 'node:fs';
import { join } from 'node:path';
import { test } from 'vitest';
import { seededRandom } from 'malote/testing';
import { createBus } from 'malote';
import { sqlite } from 'malote/sqlite';
import { seeds } from '../support/environment.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type Act, type ActorSetup, subscription, workAsked } from './acts.ts';
import { type Child, createFleet } from './fleet.ts';

const folder = temporaryFolder();
const together = 8;

test.each(seeds(3, 20))(
  'eight make one file, some are killed meanwhile, and the next works: round %i',
  { timeout: 60_000 },
  async (round) => {
    const own = join(folder, String(round));
    const histories = join(own, 'histories');
    mkdirSync(histories, { recursive: true });
    const file = join(own, 'queue.db');
    const fleet = createFleet();
    const bus = createBus({ engine: sqlite(file), logger: false });
    const setup = {
      engine: file,
      histories,
      seed: round,
      lease: 10_000,
      concurrency: 4,
      attempts: 10,
    };
    const start = (name: string): Child =>
      fleet.start('child-actor.ts', name, { ...setup, name } satisfies ActorSetup);
    try {
      const children = Array.from({ length: together }, (_, index) => start(`maker-${index}`));
      const killed = await killAtChange(own, children, round);
      const left = children.filter((child) => !killed.includes(child));
      await Promise.all(left.map((child) => child.noticesOf('up', 1)));
      console.log(`round ${round}: ${killed.length} killed, ${left.length} went on`);

      const next = start('next');
      await next.noticesOf('up', 1);
      const act: Act = { label: 'first', key: null, kind: 'quick' };
      await bus.publish(workAsked, act);
      const ended = [...left, next].map((child) => child.noticesOf('end', 1));
      await Promise.any(ended);
      for (const one of ended) one.catch(() => {});

      assert.equal((await bus.subscriptions.list()).length, 1);
      assert.equal((await bus.subscriptions.stats(subscription)).dead, 0);
      assert.deepEqual(fleet.complaints(), []);
    } finally {
      await fleet.end();
      await bus.stop();
    }
  },
);

/** Kills half of them, drawn by the seed, at one of the first changes in the folder, drawn too. */
async function killAtChange(
  path: string,
  children: readonly Child[],
  seed: number,
): Promise<Child[]> {
  const random = seededRandom(seed);
  const killed = children.filter(() => random() < 0.5);
  let changes = 1 + Math.floor(random() * 12);
  const watcher = watch(path, { persistent: false });
  const changed = new Promise<void>((resolve) => {
    watcher.on('change', () => {
      if (--changes === 0) resolve();
    });
  });
  // Quick rounds see fewer changes than were drawn.
  const allUp = Promise.all(children.map((child) => child.noticesOf('up', 1)));
  await Promise.race([changed, allUp]);
  watcher.close();
  allUp.catch(() => {});
  for (const child of killed) child.signal('SIGKILL');
  await Promise.all(killed.map(({ ended }) => ended));
  return killed;
}
