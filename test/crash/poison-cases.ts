/**
 * A message whose handler kills its process ends as a dead letter, after as many starts as it has
 * attempts, and whoever was beside it is not taken for it.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import type { Child } from './fleet.ts';
import { acts, numbered, type OpenStage, type Stage } from './stage.ts';

const attempts = 5;
const keyed = numbered('keyed ', 80);
const behind = numbered('behind ', 40);
const loose = numbered('loose ', 80);
const innocent = [...keyed, ...behind, ...loose];

const everywhere = ['head of a key', 'without order', 'amid a key'];

export interface Counting {
  /** How often a message may be begun beside its attempts, where it dies before it waits. */
  readonly uncounted: 0 | 1;
}

export function poisonCases(open: OpenStage, { uncounted }: Counting): void {
  describe('a message that kills its process', () => {
    test.each(everywhere)(
      'is dead after its attempts, its 200 neighbours are done: %s',
      { timeout: 60_000 },
      async (place) => {
        await using stage = await open({ attempts, lease: 3_000 });
        const key = place === 'without order' ? null : 'poisoned';
        await stage.publish(
          ...keyed
            .slice(0, 40)
            .flatMap((label, index) => acts('quick', `key ${index % 9}`, [label])),
          ...acts('quick', null, loose.slice(0, 40)),
          ...(place === 'amid a key' ? acts('quick', key, behind.slice(0, 20)) : []),
          ...acts('die', key, ['poison']),
          ...acts('quick', 'poisoned', place === 'amid a key' ? behind.slice(20) : behind),
          ...keyed.slice(40).flatMap((label, index) => acts('quick', `key ${index % 9}`, [label])),
          ...acts('quick', null, loose.slice(40)),
        );

        const deaths = await keepAlive(stage, 2);

        assert.deepEqual(await deadOf(stage), [['poison', 'crashed']]);
        const starts = stage.began().filter((label) => label === 'poison').length;
        // Behind a message that was done and not yet acknowledged it may start once uncounted.
        const most = attempts + (place === 'amid a key' ? 1 : uncounted);
        assert.ok(starts >= attempts && starts <= most, `it was begun ${starts} times`);
        assert.equal(deaths, starts, 'nothing else ended a process');
        const done = new Set(stage.ended());
        assert.deepEqual(
          innocent.filter((label) => !done.has(label)),
          [],
        );
      },
    );

    test.each([
      { kind: 'die', attempts: 3, most: 3 + uncounted },
      { kind: 'die', attempts: 1, most: 1 },
      { kind: 'die-later', attempts: 3, most: 3 },
    ] as const)('is begun no more than $most times by an idle process: $kind', async (one) => {
      await using stage = await open({ attempts: one.attempts, lease: 3_000 });
      await stage.publish(...acts('quick', null, ['before']));
      await stage.enter('first');
      await stage.until(({ depth }) => depth === 0);
      await stage.publish(...acts(one.kind, null, ['poison']));

      await keepAlive(stage, 1);

      assert.deepEqual(await deadOf(stage), [['poison', 'crashed']]);
      const starts = stage.began().filter((label) => label === 'poison').length;
      assert.ok(starts >= one.attempts && starts <= one.most, `it was begun ${starts} times`);
      assert.deepEqual([...new Set(stage.ended())], ['before']);
    });

    test('does not take along what was done just before it, not even with one attempt', async () => {
      await using stage = await open({ attempts: 1, lease: 3_000 });
      const before = numbered('before ', 5);
      await stage.publish(...acts('quick', 'a', before), ...acts('die', 'a', ['poison']));

      await keepAlive(stage, 1);

      assert.deepEqual(await deadOf(stage), [['poison', 'crashed']]);
      assert.deepEqual([...new Set(stage.ended())].toSorted(), before);
    });
  });
}

async function deadOf({ bus }: Stage): Promise<string[][]> {
  const { items } = await bus.dead.list();
  return items.map(({ reason, body }) => [labelOf(body), reason]);
}

/** Runs that many workers, a new one for each that dies, until all is done. Answers the deaths. */
async function keepAlive(stage: Stage, workers: number): Promise<number> {
  let deaths = 0;
  let isOver = false;
  const run = async (place: number): Promise<void> => {
    for (let life = 1; !isOver; life++) {
      const child: Child = stage.push(`worker-${place}.${life}`);
      const { signal } = await child.ended;
      if (!isOver && signal === 'SIGKILL') deaths += 1;
    }
  };
  const places = Array.from({ length: workers }, (_, index) => run(index + 1));
  await stage.drained();
  isOver = true;
  await stage.fleet.end();
  await Promise.all(places);
  return deaths;
}

function labelOf(body: string | Uint8Array): string {
  return (JSON.parse(String(body)) as { label: string }).label;
}
