/** Whole lives of a system, drawn by chance and judged by rules: the same seed, the same life. */

import assert from 'node:assert/strict';
import type { OnDead } from '../../transport/transport.ts';
import type { ConformanceCase } from './case.ts';
import type { Harness } from './harness.ts';
import { acked, maybeAcked, storyOf, type History } from './history.ts';
import {
  attemptsCount,
  factsHeld,
  neverEarly,
  onceOnly,
  orderPerKey,
  totalQueue,
} from './history-check.ts';
import { heal, startWalk, usualProfile, wander, type Profile } from './history-walk.ts';
import { subscriptionNames, topicsOf, type Walk } from './history-world.ts';

/** Enough for each kind of step to meet each other kind. */
const steps = 300;

/** Where the dead block or divert their key, not even dying and coming back changes its order. */
const policies: readonly OnDead[] = ['skip', 'block', 'divert'];

const stormy: Profile = { ...usualProfile, crash: 7, close: 3, stall: 4 };

export const histories: readonly ConformanceCase[] = [
  {
    id: 'history-total',
    promise: 'G1',
    title:
      'whatever happens, in the end each accepted message is done or cancelled, and none twice',
    needs: {},
    seeded: true,
    async run(harness) {
      const history = await live(harness, { onDead: 'skip' });

      for (const name of subscriptionNames) {
        expectNone(history, totalQueue(history, name, topicsOf(name)));
        expectNone(history, onceOnly(history, name, harness.engine.capabilities));
      }
      expectNone(history, factsHeld(history));
      expectNone(history, attemptsCount(history));
      expectNone(history, neverEarly(history));
    },
  },
  {
    id: 'history-order',
    promise: 'G5',
    title: 'whatever happens, the messages of each key are done in the order of their acceptance',
    needs: {},
    seeded: true,
    async run(harness) {
      const onDead = policies[harness.seed % policies.length] ?? 'skip';
      const history = await live(harness, { onDead });

      expectNone(history, orderPerKey(history, 'billing'));
      expectNone(history, totalQueue(history, 'billing', topicsOf('billing')));
    },
  },
  {
    id: 'history-storm',
    promise: 'G6',
    title:
      'while processes keep dying and standing still, no key is ever in two hands, none is lost',
    needs: {},
    seeded: true,
    async run(harness) {
      const history = await live(harness, { onDead: 'skip', profile: stormy });

      for (const name of subscriptionNames) {
        expectNone(history, totalQueue(history, name, topicsOf(name)));
        expectNone(history, onceOnly(history, name, harness.engine.capabilities));
      }
      expectNone(history, orderPerKey(history, 'billing'));
    },
  },
  {
    id: 'history-conservation',
    promise: 'G16',
    title: 'the figures of a subscription add up to what it accepted, at any moment',
    needs: { counts: 'exact' },
    seeded: true,
    async run(harness) {
      const walk = await startWalk(harness, 'block');
      await wander(walk, { profile: usualProfile, steps, each: () => conserve(walk) });
      await heal(walk);
      await conserve(walk);
    },
  },
];

async function live(
  harness: Harness,
  { onDead, profile = usualProfile }: { readonly onDead: OnDead; readonly profile?: Profile },
): Promise<History> {
  const walk = await startWalk(harness, onDead);
  await wander(walk, { profile, steps, each: async () => undefined });
  await heal(walk);
  return walk.history;
}

/** I1: accepted = scheduled + ready + leased + retrying + waiting + dead + done + cancelled. */
async function conserve({ history, workers }: Walk): Promise<void> {
  const views = (await workers[0]?.connection.store.subscriptions()) ?? [];
  for (const { name, stats } of views) {
    const { scheduled, ready, leased, retrying, waiting, dead, done, cancelled } = stats;
    const inside = scheduled + ready + leased + retrying + waiting;
    assert.equal(stats.depth, inside, `depth of ${name}: ${JSON.stringify(stats)}`);
    const sum = inside + dead + done + cancelled;
    const published = [...history.published.values()].filter(({ draft }) =>
      topicsOf(name).has(draft.topic ?? ''),
    );
    const least = published.filter(({ fate }) => fate === 'stored').length;
    const most = least + published.filter(({ fate }) => fate === 'maybe').length;
    const figures = `${name} accepted ${least} to ${most}: ${JSON.stringify(stats)}`;
    assert.ok(sum >= least && sum <= most, figures);
    const acks = acked(history, name).length;
    assert.ok(done >= acks && done <= acks + maybeAcked(history, name).length, figures);
  }
}

function expectNone(history: History, wrong: readonly string[]): void {
  const [first = ''] = wrong;
  const named = [...history.published.keys()].filter((id) => first.split(/[ :]/).includes(id));
  const stories = named.map((id) => `${id}:\n${storyOf(history, id)}`);
  assert.deepEqual(wrong.slice(0, 10), [], [first, ...stories].join('\n'));
}
