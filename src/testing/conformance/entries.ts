/** G13: what is kept of a load, for how long, and who gets it. */

import assert from 'node:assert/strict';
import type { Reading } from '../../transport/coordination.ts';
import type { ConformanceCase } from './case.ts';
import type { Connection } from './harness.ts';
import { ask, entry, failed, foundIn, hold, request, slot, slotOf } from './slots.ts';

const needs = { coordination: true };

export const entries: readonly ConformanceCase[] = [
  {
    id: 'entry-put',
    promise: 'G13',
    title: 'a value that was put is what every process reads, and nobody loads it again',
    needs,
    async run(harness) {
      const [one, two] = [await harness.open(), await harness.open()];
      const held = await hold(one);
      const text = JSON.stringify({ rate: '1.0837', note: 'ünïcode 🧨' });

      assert.equal(await one.coordination.put(held, entry(text)), true);

      for (const { coordination } of [one, two]) {
        const expected: Reading = { entry: { value: text, isFresh: true }, failure: null };
        assert.deepEqual(await coordination.read(slot), expected);
        assert.deepEqual(foundIn(await coordination.acquire(request())), expected);
        assert.deepEqual(await coordination.read(slotOf('USD')), { entry: null, failure: null });
      }
      assert.equal(await one.coordination.put(held, entry('"again"')), false, 'it ended the hold');
    },
  },
  {
    id: 'entry-ages',
    promise: 'G13',
    title: 'a value is fresh for its time, stale for its time, and then gone',
    needs,
    async run(harness) {
      const [one, two] = [await harness.open(), await harness.open()];
      const put = { freshMs: 10_000, keptMs: 30_000 };
      await one.coordination.put(await hold(one), entry('"v"', put));

      await harness.clock.advance(9_900);
      assert.deepEqual((await two.coordination.read(slot)).entry, { value: '"v"', isFresh: true });
      await harness.clock.advance(200);
      assert.deepEqual((await two.coordination.read(slot)).entry, { value: '"v"', isFresh: false });
      const refreshing = await hold(two);
      await harness.clock.advance(19_800);
      assert.equal((await one.coordination.read(slot)).entry?.isFresh, false);
      await harness.clock.advance(200);
      assert.equal((await one.coordination.read(slot)).entry, null);

      assert.equal(await two.coordination.release(refreshing), false);
      const again = await hold(one);
      assert.equal((await two.coordination.read(slot)).entry, null, 'a hold shows nothing');
      await one.coordination.put(again, entry('"w"'));
      assert.deepEqual((await two.coordination.read(slot)).entry, { value: '"w"', isFresh: true });
    },
  },
  {
    id: 'entry-awaited',
    promise: 'G13',
    title: 'who waited for a load gets its value, in every process, and does not load again',
    needs,
    async run(harness) {
      const all = [await harness.open(), await harness.open(), await harness.open()];
      const held = await hold(all[0]!);
      const waiting = all.flatMap(({ coordination }) =>
        [1, 2].map(() => ask(harness, coordination.acquire(request({ waitMs: 60_000 })))),
      );
      await harness.quiet();

      await all[0]!.coordination.put(held, entry('"v"', { freshMs: 0, keptMs: 5_000 }));

      for (const one of waiting) assert.equal(foundIn(await one.next()).entry?.value, '"v"');
    },
  },
  {
    id: 'entry-none',
    promise: 'G13',
    title: 'that there is none is kept like a value, and told to who waited even if not kept',
    needs,
    async run(harness) {
      const [one, two] = [await harness.open(), await harness.open()];
      await one.coordination.put(await hold(one), entry(null, { freshMs: 2_000, keptMs: 2_000 }));
      assert.deepEqual((await two.coordination.read(slot)).entry, { value: null, isFresh: true });
      await harness.clock.advance(2_100);
      const held = await hold(two);
      const waiting = ask(harness, one.coordination.acquire(request({ waitMs: 60_000 })));
      await harness.quiet();

      await two.coordination.put(held, entry(null, { freshMs: 0, keptMs: 0 }));

      assert.equal(foundIn(await waiting.next()).entry?.value, null);
      assert.equal((await one.coordination.read(slot)).entry, null);
      await hold(one);
    },
  },
  {
    id: 'entry-failure',
    promise: 'G13',
    title: 'a failure is remembered for its time, and nobody loads meanwhile',
    needs,
    async run(harness) {
      const [one, two] = [await harness.open(), await harness.open()];
      await one.coordination.put(await hold(one), failed('down', 3_000));
      const expected: Reading = {
        entry: null,
        failure: { name: 'RateError', message: 'down' },
      };

      assert.deepEqual(await two.coordination.read(slot), expected);
      assert.deepEqual(foundIn(await two.coordination.acquire(request())), expected);
      await harness.clock.advance(3_100);

      assert.deepEqual(await two.coordination.read(slot), { entry: null, failure: null });
      await two.coordination.put(await hold(two), entry('"v"'));
      assert.deepEqual(await one.coordination.read(slot), {
        entry: { value: '"v"', isFresh: true },
        failure: null,
      });
    },
  },
  {
    id: 'entry-failure-shared',
    promise: 'G13',
    title: 'who waited for a load that failed is told, even if the failure is not remembered',
    needs,
    async run(harness) {
      const [one, two] = [await harness.open(), await harness.open()];
      const held = await hold(one);
      const waiting = ask(harness, two.coordination.acquire(request({ waitMs: 60_000 })));
      await harness.quiet();

      await one.coordination.put(held, failed('down', 0));

      assert.equal(foundIn(await waiting.next()).failure?.message, 'down');
      assert.equal((await two.coordination.read(slot)).failure, null);
      await hold(two);
    },
  },
  {
    id: 'entry-failure-keeps',
    promise: 'G13',
    title: 'a failed refresh leaves the stale value as it was, and a success clears the failure',
    needs,
    async run(harness) {
      const connection = await harness.open();
      const { coordination } = connection;
      await coordination.put(await hold(connection), entry('"v"'));
      await harness.clock.advance(10_100);
      await coordination.put(await hold(connection), failed('down', 60_000));

      const reading = await coordination.read(slot);
      assert.deepEqual(reading.entry, { value: '"v"', isFresh: false });
      assert.equal(reading.failure?.message, 'down');
      await harness.clock.advance(20_000);
      assert.equal((await coordination.read(slot)).entry, null, 'it is no older for a failure');
      await harness.clock.advance(40_100);

      await coordination.put(await hold(connection), entry('"w"'));
      assert.deepEqual(await coordination.read(slot), {
        entry: { value: '"w"', isFresh: true },
        failure: null,
      });
    },
  },
  {
    id: 'entry-released',
    promise: 'G13',
    title: 'a load that is given up leaves what was kept, and the next one loads',
    needs,
    async run(harness) {
      const [one, two] = [await harness.open(), await harness.open()];
      await one.coordination.put(await hold(one), entry('"v"'));
      await harness.clock.advance(10_100);
      const held = await hold(one);
      const waiting = ask(harness, two.coordination.acquire(request({ waitMs: 60_000 })));
      await harness.quiet();

      await one.coordination.release(held);

      assert.equal((await waiting.next()).kind, 'held');
      assert.equal((await two.coordination.read(slot)).entry?.value, '"v"');
    },
  },
  {
    id: 'entry-invalidate',
    promise: 'G13',
    title: 'after an invalidation nobody reads the value or the failure of before',
    needs,
    async run(harness) {
      const [one, two] = [await harness.open(), await harness.open()];
      for (const result of [entry('"v"'), failed('down', 60_000), entry(null)]) {
        await one.coordination.put(await hold(one), result);
        await two.coordination.invalidate(slot);

        assert.deepEqual(await one.coordination.read(slot), { entry: null, failure: null });
      }
      await two.coordination.invalidate(slotOf('unknown'));
      await hold(one);
    },
  },
  {
    id: 'entry-bounded',
    promise: 'G13',
    title: 'a space keeps as many values as it may; those whose time ends first go first',
    needs,
    async run(harness) {
      const connection = await harness.open();
      const keep = (key: string, keptMs: number): Promise<void> =>
        keepIn(connection, key, keptMs, 3);
      const kept = async (): Promise<string[]> => {
        const found: string[] = [];
        for (const key of ['a', 'b', 'c', 'd', 'e']) {
          const { entry: one } = await connection.coordination.read(slotOf(key));
          if (one !== null) found.push(key);
        }
        return found;
      };
      await keep('a', 30_000);
      await keep('b', 20_000);
      await keep('c', 40_000);
      await keep('a', 50_000);
      assert.deepEqual(await kept(), ['a', 'b', 'c'], 'a value in place of another is no more');

      await keep('d', 60_000);
      assert.deepEqual(await kept(), ['a', 'c', 'd']);
      await connection.coordination.invalidate(slotOf('a'));
      await keep('e', 25_000);
      assert.deepEqual(await kept(), ['c', 'd', 'e'], 'what was removed left room');
      await harness.clock.advance(26_000);
      await keep('a', 30_000);
      assert.deepEqual(await kept(), ['a', 'c', 'd'], 'what is over leaves room');
    },
  },
];

async function keepIn(
  connection: Connection,
  key: string,
  keptMs: number,
  mostEntries: number,
): Promise<void> {
  await connection.coordination.invalidate(slotOf(`${key}, which is not there`));
  const { coordination } = connection;
  const held = await hold(connection, { slot: slotOf(key) });
  assert.equal(
    await coordination.put(held, entry(JSON.stringify(key), { freshMs: 0, keptMs, mostEntries })),
    true,
  );
}
