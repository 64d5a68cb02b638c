/** Faults in what can be seen and done by hand: views, pages, figures, pauses, cancels. */

import type { Page } from '../../../src/transport/store.ts';
import type { Mutant } from './planting.ts';

export const lookingMutants: readonly Mutant[] = [
  {
    name: 'a message cannot be found',
    caughtBy: ['get-every-state', 'get-kept', 'get-history'],
    plant: () => ({ get: async () => [] }),
  },
  {
    name: 'a message that backs off is shown as ready',
    caughtBy: ['get-every-state', 'retry-not-early'],
    plant: (sound) => ({
      get: async (id) =>
        (await sound.get(id)).map((view) =>
          view.state === 'retrying' ? { ...view, state: 'ready' } : view,
        ),
    }),
  },
  {
    name: 'the history begins with the latest',
    caughtBy: ['get-history'],
    plant: (sound) => ({
      get: async (id) =>
        (await sound.get(id)).map((view) => ({ ...view, history: view.history.toReversed() })),
    }),
  },
  {
    name: 'a cancel answers and does nothing',
    caughtBy: ['cancel-every-state', 'cancel-frees-key', 'cancel-races-delivery', 'get-kept'],
    plant: () => ({ cancel: async () => 'cancelled' }),
  },
  {
    name: 'a cancelled message leaves its key shut',
    caughtBy: ['cancel-frees-key', 'cancel-blocked-head'],
    plant: (sound) => ({
      async cancel(id) {
        const [view] = await sound.get(id);
        const outcome = await sound.cancel(id);
        const held = view?.state === 'retrying' || view?.state === 'dead';
        if (held && view.subscription !== null) await sound.setPaused(view.subscription, true);
        return outcome;
      },
    }),
  },
  {
    name: 'a message is cancelled wherever it is, in whichever subscription it was to be',
    caughtBy: ['cancel-one-subscription'],
    plant: (sound) => ({ cancel: (id) => sound.cancel(id) }),
  },
  {
    name: 'a page leaves out its last item',
    caughtBy: ['pages-of-dead', 'pages-of-waiting'],
    plant: (sound) => ({
      dead: async (query) => shorter(await sound.dead(query)),
      waiting: async (query) => shorter(await sound.waiting(query)),
    }),
  },
  {
    name: 'every page begins with the end of the one before',
    caughtBy: ['pages-of-dead', 'pages-of-waiting'],
    plant(sound) {
      const last = new Map<string, unknown>();
      const repeating = <Item>(page: Page<Item>, cursor: string | null): Page<Item> => {
        const before = cursor === null ? undefined : (last.get(cursor) as Item | undefined);
        if (page.next !== null) last.set(page.next, page.items.at(-1));
        return before === undefined ? page : { ...page, items: [before, ...page.items.slice(1)] };
      };
      return {
        dead: async (query) => repeating(await sound.dead(query), query.cursor),
        waiting: async (query) => repeating(await sound.waiting(query), query.cursor),
      };
    },
  },
  {
    name: 'waiting messages are listed whatever they wait for',
    caughtBy: ['pages-of-waiting', 'deadline-shown'],
    plant: (sound) => ({ waiting: (query) => sound.waiting({ ...query, fact: null }) }),
  },
  {
    name: 'dead letters are kept as text, with one failure and one reason',
    caughtBy: ['dead-record', 'dead-without-failure', 'redrive-dies-again'],
    plant: (sound) => ({
      async dead(query) {
        const { items, next } = await sound.dead(query);
        const flat = items.map((letter) => ({
          ...letter,
          body: Buffer.from(letter.body).toString(),
          firstFailure: letter.lastFailure,
          reason: 'gave-up' as const,
        }));
        return { items: flat, next };
      },
    }),
  },
  {
    name: 'done messages are counted twice',
    caughtBy: ['stats-every-state', 'history-conservation'],
    plant: (sound) => ({
      subscriptions: async () =>
        (await sound.subscriptions()).map((view) => ({
          ...view,
          stats: { ...view.stats, done: view.stats.done * 2 },
        })),
    }),
  },
  {
    name: 'what is retried later is counted as ready',
    caughtBy: ['stats-at-rest'],
    plant: (sound) => ({
      subscriptions: async () =>
        (await sound.subscriptions()).map((view) => {
          const { ready, retrying } = view.stats;
          return { ...view, stats: { ...view.stats, ready: ready + retrying, retrying: 0 } };
        }),
    }),
  },
  {
    name: 'a subscription without consumers counts what its engine keeps for itself',
    caughtBy: ['stats-of-nothing'],
    plant: (sound) => ({
      subscriptions: async () =>
        (await sound.subscriptions()).map((view) => {
          const own = view.consumers === 0 ? 1 : 0;
          return { ...view, stats: { ...view.stats, depth: view.stats.depth + own } };
        }),
    }),
  },
  {
    name: 'whoever looks is taken for a consumer',
    caughtBy: ['consumers-counted'],
    plant: (sound) => ({
      subscriptions: async () =>
        (await sound.subscriptions()).map((view) => ({ ...view, consumers: view.consumers + 1 })),
    }),
  },
  {
    name: 'whoever has the first partition is said to have all',
    caughtBy: ['partitions-owned'],
    plant: (sound) => ({
      subscriptions: async () =>
        (await sound.subscriptions()).map((view) => {
          const owner = view.partitions?.[0]?.owner ?? null;
          const partitions = view.partitions?.map(({ index }) => ({ index, owner })) ?? null;
          return { ...view, partitions };
        }),
    }),
  },
  {
    name: 'the oldest message is the latest look',
    caughtBy: ['stats-oldest'],
    plant: (sound) => ({
      subscriptions: async () =>
        (await sound.subscriptions()).map((view) => ({
          ...view,
          stats: { ...view.stats, oldestAt: view.stats.depth === 0 ? null : Date.now() },
        })),
    }),
  },
  {
    name: 'blocked keys are not shown',
    caughtBy: ['dead-block', 'dead-block-survives-restart'],
    plant: (sound) => ({
      subscriptions: async () =>
        (await sound.subscriptions()).map((view) => ({ ...view, blockedKeys: [] })),
    }),
  },
  {
    name: 'a pause answers and does nothing',
    caughtBy: ['pause-everywhere', 'pause-survives-restart'],
    plant: () => ({ setPaused: async () => true }),
  },
  {
    name: 'a pause ends with its process',
    caughtBy: ['pause-survives-restart'],
    plant(sound) {
      const paused: string[] = [];
      return {
        setPaused(subscription, isPaused) {
          if (isPaused) paused.push(subscription);
          return sound.setPaused(subscription, isPaused);
        },
        abandon() {
          for (const subscription of paused) void sound.setPaused(subscription, false);
          sound.abandon();
        },
      };
    },
  },
];

function shorter<Item>(page: Page<Item>): Page<Item> {
  return page.next === null ? page : { ...page, items: page.items.slice(0, -1) };
}
