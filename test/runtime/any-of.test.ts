/** `anyOf`: any of several facts will do, alone or beside others. */
import assert from 'node:assert/strict';
import { anyOf, dependency, message } from 'malote';
import { testBus } from 'malote/testing';
import { describe, test } from 'vitest';
import { codeOf, codeThrown } from './support.ts';

const customer = dependency('customer');
const guest = dependency('guest');
const shop = dependency('shop');

interface Order {
  n: number;
  who: string;
}

const Placed = message<Order>('placed', {
  orderBy: ({ who }) => who,
  waitFor: ({ who }) => [shop('open'), anyOf(customer(who), guest(who), guest(who))],
});
const Paid = message<Order>('paid', { waitFor: ({ who }) => anyOf(customer(who)) });

describe.each(['lanes', 'partitions'] as const)('%s', (shape) => {
  test('a message goes on at the first of them, once all else is there', async () => {
    const seen: number[] = [];
    await using t = await testBus({
      shape,
      use: (bus) => bus.consume(Placed, { name: 's' }, ({ data }) => void seen.push(data.n)),
    });
    const first = await t.publish(Placed, { n: 1, who: 'ann' });
    await t.publish(Placed, { n: 2, who: 'ann' });
    await t.settle();

    const [view] = await t.messages.get(first.id);
    assert.deepEqual(view?.waitingFor, ['shop:open', 'customer:ann or guest:ann']);
    const waiting = t.timeline().find(({ kind }) => kind === 'waiting');
    assert.deepEqual(waiting?.kind === 'waiting' && waiting.facts, view.waitingFor);
    assert.deepEqual(
      view.history.map(({ detail }) => detail),
      ['shop:open, customer:ann or guest:ann'],
    );
    await t.fulfil(guest('ann'));
    await t.settle();
    assert.deepEqual(seen, []);
    assert.deepEqual(await t.waitingFor(customer('ann')), []);
    assert.deepEqual(await t.waitingFor(shop('open')), [first.id]);
    await t.fulfil(shop('open'));
    await t.settle();
    assert.deepEqual(seen, [1, 2]);
  });

  test('of one fact it is that fact; a handler may wait for any of several, too', async () => {
    const seen: string[] = [];
    await using t = await testBus({
      shape,
      use: (bus) =>
        bus.consume(Paid, { name: 's' }, ({ data }, ctx) => {
          seen.push(`${data.n}`);
          if (seen.length === 1) return ctx.waitFor(anyOf(guest('bob'), guest('eve')), shop('up'));
          return null;
        }),
    });
    const { id } = await t.publish(Paid, { n: 1, who: 'ann' });
    await t.settle();
    assert.deepEqual(await t.waitingFor(customer('ann')), [id]);

    await t.fulfil(customer('ann'));
    await t.settle();
    const parked = t.timeline({ id }).find(({ kind }) => kind === 'parked');
    assert.deepEqual(parked?.kind === 'parked' && parked.facts, [
      'guest:bob or guest:eve',
      'shop:up',
    ]);
    await t.fulfil(guest('eve'), shop('up'));
    await t.settle();
    assert.deepEqual(seen, ['1', '1']);
  });
});

test('of nothing, or of what is no fact, is refused', async () => {
  assert.equal(
    codeThrown(() => anyOf()),
    'OPTION_INVALID',
  );
  assert.equal(
    codeThrown(() => anyOf('customer:1' as never)),
    'OPTION_INVALID',
  );
  const Wrong = message<Order>('wrong', { waitFor: () => ({ anyOf: ['x'] }) as never });
  await using t = await testBus({ use: (bus) => bus.consume(Wrong, { name: 's' }, () => {}) });
  assert.equal(await codeOf(t.publish(Wrong, { n: 1, who: 'ann' })), 'OPTION_INVALID');
});

test('a fact that is called like several is not taken for them', async () => {
  assert.equal(
    codeThrown(() => dependency('["customer')),
    'DEFINITION_INVALID',
  );
});
