/** G13: who holds a slot, for how long, who is next, and what a holder may do that is none. */

import assert from 'node:assert/strict';
import { lingerMs } from '../../transport/coordination.ts';
import type { ConformanceCase } from './case.ts';
import type { Connection, Harness } from './harness.ts';
import { ask, entry, foundIn, heldIn, hold, holdMs, request, slotOf, taken } from './slots.ts';

const needs = { coordination: true };

export const holds: readonly ConformanceCase[] = [
  {
    id: 'hold-one',
    promise: 'G13',
    title: 'of all who ask for a lock at the same time one holds it',
    needs,
    async run(harness) {
      const all = await openAll(harness, 5);

      const answers = await Promise.all(
        all.flatMap(({ coordination }) => [
          coordination.acquire(request()),
          coordination.acquire(request()),
        ]),
      );

      assert.equal(answers.filter(({ kind }) => kind === 'held').length, 1);
      assert.equal(answers.filter(({ kind }) => kind === 'timed-out').length, 9);
    },
  },
  {
    id: 'hold-apart',
    promise: 'G13',
    title: 'locks of different names, and of different spaces, have nothing to do with each other',
    needs,
    async run(harness) {
      const [one, two] = await openAll(harness, 2);
      await hold(one!, { slot: slotOf('a') });

      await hold(two!, { slot: slotOf('b') });
      const other = await hold(two!, { slot: { space: 'other', key: 'a' } });
      await two!.coordination.invalidate(other.slot);

      await taken(two!, { slot: slotOf('a') });
    },
  },
  {
    id: 'hold-tokens',
    promise: 'G13',
    title:
      'a token is greater than all earlier ones, after a release, an end by time and a removal',
    needs,
    async run(harness) {
      const [one, two] = await openAll(harness, 2);
      const tokens: number[] = [];
      const take = async (by: Connection): Promise<void> => {
        tokens.push((await hold(by)).token);
      };
      await take(one!);
      await one!.coordination.invalidate(request().slot);
      await take(two!);
      await harness.clock.advance(holdMs + 1_000);
      const released = await hold(one!);
      tokens.push(released.token);
      assert.equal(await one!.coordination.release(released), true);
      await harness.clock.advance(lingerMs + 5_000);
      await take(two!);

      assert.deepEqual(
        tokens,
        tokens.toSorted((a, b) => a - b),
      );
      assert.equal(new Set(tokens).size, 4);
    },
  },
  {
    id: 'hold-ends',
    promise: 'G13',
    title: 'a lock is held until its lease is over, and not for longer',
    needs,
    async run(harness) {
      const [one, two] = await openAll(harness, 2);
      await hold(one!);

      await harness.clock.advance(holdMs - 50);
      await taken(two!);
      await harness.clock.advance(100);

      await hold(two!);
    },
  },
  {
    id: 'hold-extended',
    promise: 'G13',
    title: 'a lease that is extended counts from then on',
    needs,
    async run(harness) {
      const [one, two] = await openAll(harness, 2);
      const held = await hold(one!);
      await harness.clock.advance(holdMs - 1_000);

      assert.equal(await one!.coordination.extend(held, holdMs), true);

      await harness.clock.advance(holdMs - 50);
      await taken(two!);
      await harness.clock.advance(100);
      await hold(two!);
    },
  },
  {
    id: 'hold-fenced',
    promise: 'G13',
    title: 'who has lost a lock changes nothing any more, and is told so',
    needs,
    async run(harness) {
      const [one, two] = await openAll(harness, 2);
      const lost = await hold(one!);
      one!.freeze();
      await harness.clock.advance(holdMs + 100);
      const current = await hold(two!);
      one!.thaw();

      const { coordination } = one!;
      assert.equal(await coordination.extend(lost, 60_000), false, 'extend');
      assert.equal(await coordination.put(lost, entry('"late"')), false, 'put');
      assert.equal(await coordination.release(lost), false, 'release');

      assert.equal((await two!.coordination.read(current.slot)).entry, null);
      await taken(one!);
      assert.equal(await two!.coordination.put(current, entry('"new"')), true);
      assert.equal((await coordination.read(current.slot)).entry?.value, '"new"');
    },
  },
  {
    id: 'hold-over-is-over',
    promise: 'G13',
    title: 'a lock whose time is over is lost, also where nobody else has taken it',
    needs,
    async run(harness) {
      const [one] = await openAll(harness, 1);
      const { coordination } = one!;
      const over = await hold(one!);
      await harness.clock.advance(holdMs + 100);

      assert.equal(await coordination.extend(over, 60_000), false, 'extend');
      assert.equal(await coordination.put(over, entry('"late"')), false, 'put');
      assert.equal(await coordination.release(over), false, 'release');

      assert.equal((await coordination.read(over.slot)).entry, null);
      const again = await hold(one!);
      assert.equal(await coordination.release(again), true);
      assert.equal(await coordination.release(again), false, 'a second release');
    },
  },
  {
    id: 'hold-valid-until',
    promise: 'G13',
    title: 'a holder relies on its lock no longer than the engine keeps it',
    needs,
    async run(harness) {
      const [one, two] = await openAll(harness, 2);
      const first = await hold(one!);
      assert.ok(first.validUntil <= harness.clock.monotonic() + holdMs);
      const waiting = ask(harness, two!.coordination.acquire(request({ waitMs: 60_000 })));
      await harness.clock.advance(1_000);
      const askedAt = harness.clock.monotonic();
      await one!.coordination.release(first);
      const second = heldIn(await waiting.next());

      assert.ok(second.validUntil >= askedAt + holdMs - 1_000, 'it counts from when it was free');
      assert.ok(second.validUntil <= harness.clock.monotonic() + holdMs);
    },
  },
  {
    id: 'hold-close',
    promise: 'G13',
    title: 'a process that closes gives its locks back at once, and leaves those of others alone',
    needs,
    async run(harness) {
      const [one, two] = await openAll(harness, 2);
      await hold(one!, { leaseMs: 600_000 });
      await hold(two!, { slot: slotOf('b'), leaseMs: 600_000 });
      const waiting = ask(harness, two!.coordination.acquire(request({ waitMs: 60_000 })));
      await harness.quiet();
      assert.deepEqual(waiting.answers, []);

      await one!.close();

      heldIn(await waiting.next());
      const three = await harness.open();
      await taken(three, { slot: slotOf('b') });
    },
  },
  {
    id: 'hold-crash',
    promise: 'G13',
    title: 'what a dead process held is with who waits within its lease and a second',
    needs,
    async run(harness) {
      const [one, two] = await openAll(harness, 2);
      await hold(one!);
      const waiting = ask(harness, two!.coordination.acquire(request({ waitMs: 60_000 })));
      await harness.quiet();

      one!.abandon();
      await harness.clock.advance(holdMs);

      heldIn(await waiting.next());
    },
  },
  {
    id: 'hold-woken',
    promise: 'G13',
    title: 'who waits for a lock has it as soon as it is released, also in another process',
    needs,
    async run(harness) {
      const [one, two] = await openAll(harness, 2);
      for (const next of [one!, two!]) {
        const held = await hold(one!, { leaseMs: 600_000 });
        const waiting = ask(harness, next.coordination.acquire(request({ waitMs: 60_000 })));
        await harness.quiet();
        assert.deepEqual(waiting.answers, []);

        await one!.coordination.release(held);

        await next.coordination.release(heldIn(await waiting.next()));
      }
    },
  },
  {
    id: 'hold-each-its-turn',
    promise: 'G13',
    title: 'of several who wait for a lock each gets it, one after the other',
    needs,
    async run(harness) {
      const all = await openAll(harness, 4);
      let holders = 0;
      let turns = 0;
      const takeTurn = async ({ coordination }: Connection): Promise<void> => {
        const held = heldIn(await coordination.acquire(request({ waitMs: 60_000 })));
        holders += 1;
        assert.equal(holders, 1, 'two hold it at once');
        await new Promise<void>((resolve) => void setImmediate(resolve));
        holders -= 1;
        turns += 1;
        await coordination.release(held);
      };

      const taking = Promise.all(all.flatMap((one) => [takeTurn(one), takeTurn(one)]));
      await ask(harness, taking).next();

      assert.equal(turns, 8);
    },
  },
  {
    id: 'hold-wait-over',
    promise: 'G13',
    title: 'a wait that is over holds nothing, and takes nobody its turn',
    needs,
    async run(harness) {
      const [one, two] = await openAll(harness, 2);
      const held = await hold(one!, { leaseMs: 600_000 });
      const early = ask(harness, two!.coordination.acquire(request({ waitMs: 300 })));
      const late = ask(harness, two!.coordination.acquire(request({ waitMs: 60_000 })));
      await harness.clock.advance(250);
      assert.deepEqual(early.answers, [], 'it was given up too early');

      assert.deepEqual(await early.next(), { kind: 'timed-out' });

      await one!.coordination.release(held);
      const next = heldIn(await late.next());
      await two!.coordination.release(next);
      await hold(one!);
    },
  },
  {
    id: 'hold-wait-given-up',
    promise: 'G13',
    title: 'a wait that is given up rejects with the reason, and takes nobody its turn',
    needs,
    async run(harness) {
      const [one, two] = await openAll(harness, 2);
      const held = await hold(one!, { leaseMs: 600_000 });
      const giving = new AbortController();
      const { signal } = giving;
      const early = ask(harness, two!.coordination.acquire(request({ waitMs: 60_000, signal })));
      const late = ask(harness, two!.coordination.acquire(request({ waitMs: 60_000 })));
      await harness.quiet();
      giving.abort(new Error('enough'));

      await assert.rejects(early.next(), /enough/);
      await assert.rejects(two!.coordination.acquire(request({ signal })), /enough/);

      await one!.coordination.release(held);
      heldIn(await late.next());
    },
  },
  {
    id: 'hold-invalidated',
    promise: 'G13',
    title: 'an invalidation ends the load of another process: its value is not kept',
    needs,
    async run(harness) {
      const [one, two] = await openAll(harness, 2);
      const loading = await hold(one!, { leaseMs: 600_000 });
      const waiting = ask(harness, two!.coordination.acquire(request({ waitMs: 60_000 })));
      await harness.quiet();

      await two!.coordination.invalidate(loading.slot);

      const next = heldIn(await waiting.next());
      assert.equal(await one!.coordination.put(loading, entry('"old"')), false);
      assert.equal((await one!.coordination.read(loading.slot)).entry, null);
      await two!.coordination.put(next, entry('"new"'));
      assert.equal(foundIn(await one!.coordination.acquire(request())).entry?.value, '"new"');
    },
  },
];

async function openAll(harness: Harness, count: number): Promise<readonly Connection[]> {
  const all: Connection[] = [];
  for (let index = 0; index < count; index++) all.push(await harness.open());
  return all;
}
