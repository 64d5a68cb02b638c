/** Dead letters are looked at and sent back by what they are. */
import assert from 'node:assert/strict';
import { message } from 'malote';
import { testBus } from 'malote/testing';
import { describe, test } from 'vitest';
import { codeOf } from './support.ts';

class Refused extends Error {}
class Broken extends Error {}

const Order = message<{ n: number }>('order', { orderBy: ({ n }) => `k${n % 2}` });
const Refund = message<{ n: number }>('refund', { orderBy: ({ n }) => `k${n % 2}` });

async function withDeaths() {
  let isBroken = true;
  const done: string[] = [];
  const t = await testBus({
    use: (bus) =>
      bus.consume(
        [Order, Refund],
        { name: 'shop', retry: { attempts: 1, giveUpOn: [Refused] } },
        (msg) => {
          if (!isBroken) done.push(`${msg.type} ${msg.data.n}`);
          else if (msg.data.n < 3) throw new Refused('no');
          else throw new Broken('oh');
        },
      ),
  });
  for (const n of [1, 2, 3, 4]) {
    await t.publish(Order, { n }, { id: `o${n}` });
    await t.publish(Refund, { n }, { id: `r${n}` });
    await t.settle();
    await t.clock.advance('1m');
  }
  isBroken = false;
  return { t, done };
}

const selections = [
  [{ type: 'refund', key: 'k0' }, ['r2', 'r4']],
  [{ type: ['order', 'refund'], failure: 'Broken' }, ['o3', 'r3', 'o4', 'r4']],
  [{ reason: 'gave-up', type: 'order' }, ['o1', 'o2']],
  [{ reason: ['attempts-exhausted', 'crashed'], key: 'k1' }, ['o3', 'r3']],
  [{ reason: 'crashed' }, []],
] as const;

describe('a selection', () => {
  test.each(selections)('%j is the same for looking and for sending back', async (given, ids) => {
    const { t, done } = await withDeaths();
    await using _ = t;

    const { items } = await t.dead.list({ subscription: 'shop', ...given });
    const { redriven } = await t.dead.redrive({ subscription: 'shop', ...given });
    await t.settle();

    assert.deepEqual(items.map(({ id }) => id).toSorted(), [...ids].toSorted());
    assert.equal(redriven, ids.length);
    assert.equal(done.length, ids.length);
    assert.equal((await t.subscriptions.stats('shop')).dead, 8 - ids.length);
  });

  test('by the time of death: from a moment on, and before one', async () => {
    const { t, done } = await withDeaths();
    await using _ = t;
    const since = '3m';
    const until = new Date(t.clock.now().getTime() - 60_000);

    const { items } = await t.dead.list({ since, until });
    const first = await t.dead.redrive({ subscription: 'shop', since, until, limit: 3 });
    const second = await t.dead.redrive({ subscription: 'shop', since, until, limit: 3 });
    await t.settle();

    assert.deepEqual(items.map(({ id }) => id).toSorted(), ['o2', 'o3', 'r2', 'r3']);
    assert.deepEqual([first.redriven, second.redriven], [3, 1]);
    assert.deepEqual(done.toSorted(), ['order 2', 'order 3', 'refund 2', 'refund 3']);
  });

  test('a page is full of those that match where there are as many', async () => {
    const { t } = await withDeaths();
    await using _ = t;
    const found: string[][] = [];
    for (let cursor: string | null = null, isFirst = true; isFirst || cursor !== null; ) {
      const page = await t.dead.list({ failure: 'Broken', cursor, limit: 3 });
      found.push(page.items.map(({ id }) => id));
      [cursor, isFirst] = [page.next, false];
    }

    assert.deepEqual(found.flat().toSorted(), ['o3', 'o4', 'r3', 'r4']);
    assert.deepEqual(
      found.map(({ length }) => length),
      [3, 1],
    );
  });
});

const mistakes = [
  [{ subscription: 'shop', resaon: 'crashed' }, 'OPTION_UNKNOWN'],
  [{ subscription: 'shop', reason: 'crash' }, 'OPTION_INVALID'],
  [{ subscription: 'shop', type: [] }, 'OPTION_INVALID'],
  [{ subscription: 'shop', type: 5 }, 'OPTION_INVALID'],
  [{ subscription: 'shop', since: '2026-01-01' }, 'OPTION_INVALID'],
  [{ subscription: 'shop', until: new Date('nonsense') }, 'OPTION_INVALID'],
  [{ subscription: 'shop', limit: 0 }, 'OPTION_INVALID'],
  [{ subscription: 'shop', key: null }, 'OPTION_INVALID'],
  [{ reason: 'crashed' }, 'OPTION_INVALID'],
  [{ subscription: 'shap', reason: 'crashed' }, 'NOT_FOUND'],
] as const;

test.each(mistakes)('%j is refused: %s', async (given, code) => {
  const { t } = await withDeaths();
  await using _ = t;

  assert.equal(await codeOf(t.dead.redrive(given as never)), code);
  assert.equal((await t.subscriptions.stats('shop')).dead, 8);
});
